// Package notify decides what a person is told while nobody looks at the fleet, when, and in which words. It is pure:
// its state is folded from the log, and the clock, the fleet and the tasks are arguments.
//
// Owns: which events are worth a notice, when one is due, the end of quiet hours, the limits, the text.
// Never does: read a clock or a file, send anything, decide anything about a task. The package post below it does the sending.
// Start at: State.Apply, Decide, Compose.
package notify
