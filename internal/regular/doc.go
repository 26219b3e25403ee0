// Package regular opens and reads files that an agent or another program can replace by anything.
//
// Owns: that only a regular file is opened, that opening never blocks, and that no more than a limit is read.
// Never does: trust what a file says.
// Start at: Read, Open.
package regular
