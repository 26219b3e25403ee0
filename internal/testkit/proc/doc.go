// Package proc starts the processes of tests and waits for them.
//
// Owns: the end of all processes with their test, and the polling deadline of tests.
// Never does: decide what a process does.
// Start at: Start, Eventually.
package proc
