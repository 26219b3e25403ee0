// Package tmuxtest is what other packages test against instead of a tmux of their own making.
//
// Owns: the interface of a tmux client, the suite that any such client must pass, an in-memory Fake that
// passes it, and private real servers for tests.
// Never does: run outside tests, or touch a server that it did not start.
// Start at: NewFake for tests without processes, Connect for tests on the real program, Run for the suite.
package tmuxtest
