// Package npm brings programs to tests that npm distributes.
//
// Owns: the installation of a package into the user's cache, once for all test processes.
// Never does: install into the system or a checkout, name a package.
// Start at: Package.
package npm
