// Package tmuxtest starts private tmux servers for tests.
//
// Owns: servers in temporary directories, which end with their test.
// Never does: run outside tests, or touch a server that it did not start.
// Start at: Connect.
package tmuxtest
