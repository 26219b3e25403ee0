// Package command is the adapter for any program that takes a prompt and exits when it is done.
//
// Owns: the placeholders of a command line, and how a program that knows nothing of muster is started.
// Never does: talk to a running program; whatever is to be said to it waits for the next generation.
// Start at: New, then Plan.
package command
