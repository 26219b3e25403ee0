// Package intake turns an order into a task. It applies the order to the configuration of its repository, resolves
// the names in it, and freezes the result, so that later edits do not change a queued task. An order may come from
// the flags of a command line, from a table of a tasks file, or from any other front end.
//
// Owns: the options of an order, the tasks file, and every error that a person can be told at once.
// Never does: queue a task, start one, read flags.
// Start at: Order, Intake.Task, ReadFile.
package intake
