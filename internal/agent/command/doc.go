// Package command is the adapter for any program that takes a prompt and exits when it is done.
//
// Owns: the placeholders of a command line, and the start of a program that knows nothing of muster.
// Never does: talk to a running program; messages wait for the next generation.
// Start at: New, then Plan.
package command
