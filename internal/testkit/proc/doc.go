// Package proc starts the processes of tests, and lets a test binary play other programs.
//
// Owns: the end of all processes with their test.
// Never does: decide what a process does.
// Start at: Start, Main, Role.
package proc
