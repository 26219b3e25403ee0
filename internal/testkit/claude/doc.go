// Package claude provides the real Claude Code to tests: the program in the measured versions, and a user who has set
// it up.
//
// Owns: the search and installation of the program for tests, and the configuration of a test's user.
// Never does: use or change the set-up of the person who runs the tests, call a real model.
// Start at: Each, Path, NewUser.
package claude
