// Package qwen provides the real Qwen Code to tests: the program in the measured version, and a user who has set it up.
//
// Owns: the installation of the program for tests, and the configuration of a test's user.
// Never does: use or change the set-up of the person who runs the tests, call a real model.
// Start at: Path, NewUser.
package qwen
