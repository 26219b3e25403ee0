// Package proc starts the processes of tests and waits for them.
//
// Owns: that no process outlives its test, and the polling deadline of tests.
// Never does: decide what a process should do.
// Start at: Start, Eventually.
package proc
