// Package tui is `muster top`: the fleet, one task and the night on a terminal, with answers by two key presses.
//
// Owns: what a frame shows, what a key means, and the rule that no key acts on a request that was not on the screen.
// Never does: decide anything, read a file, or start a program; it asks control. Model reads no clock and does no I/O either: it
// returns what to read as effects.
// Start at: Model.update and Model.Frame; Run connects them to a terminal.
package tui
