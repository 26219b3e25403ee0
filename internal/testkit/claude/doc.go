// Package claude brings the real Claude Code to tests: the program in the versions that were measured, and a user
// of its own who has set it up.
//
// Owns: where the program is found or installed for tests, and the user's configuration of a test.
// Never does: use or change the set-up of whoever runs the tests, or speak to a real model.
// Start at: Each, Path, NewUser.
package claude
