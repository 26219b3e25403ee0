// Package intake turns an order into a task: it lays the order over the configuration of its repository, resolves what
// it names, and freezes the result, so that nothing that is edited later changes a queued task. An order may come from
// the flags of a command line, from a table of a tasks file, or from any other front end.
//
// Owns: what an order may say, the tasks file, and every refusal that a person can still hear.
// Never does: queue a task, start one, or read flags.
// Start at: Order, Intake.Task, ReadFile.
package intake
