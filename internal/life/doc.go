// Package life is the pure state machine of tasks, accounts and the fleet: it decides what follows from what
// happened.
//
// Owns: every decision, the table of rules, the fold of the log.
// Never does: read a clock, touch a file, start a goroutine; decide in Apply.
// Start at: Decide, and the table of rules.
//
// # Decide and Apply
//
// An aggregate (Task, Account) is the fold of its events. Decide takes the fold, an Input (a record of the agent, the
// outcome of an action, a passed deadline, a request of a person) and the caller's time, and returns events and
// actions. Apply folds one event and decides nothing, so old logs fold the same way even if the rules have changed.
// The supervisor commits the events, which hold the intent of every action, before it acts. An outcome comes back as
// Finished:
//
//	             ┌──────────── log ◀──── events ─────┐
//	             ▼                                   │
//	events ─▶ Apply ─▶ Task ─▶ Decide(Task, Input, now) ─▶ actions ─▶ the world
//	                              ▲                                     │
//	                              └──── Finished, Reported, Exited, Due ┘
//
// Each event is folded while Decide runs. At its end settle decides what follows from the present state of the task
// and not from the event that led to it. So no single lost wake-up can leave a task behind.
//
// # Generation, attempt, respawn
//
// A generation is one process of the agent; its number grows and is never used again. Records of an older generation
// are kept and never obeyed. An attempt is a run of generations between two faults of the agent (a crash, no first
// record, a restart after a stall): Spec.Attempts caps them. All other further generations (feedback, a message, a lost
// terminal server, a limit) are respawns: Spec.Respawns caps the generations as a whole.
//
//	generation   1      2          3       4
//	attempt      1      1          2       2
//	why          first  feedback   crash   message
//
// # Deadlines
//
// Everything that a subject waits for has a named deadline in its fold, not a timer. Instants (the reset of a limit)
// stay where they are when the host sleeps; durations move. The clock of the task's timeout is stopped while the
// agent cannot continue.
//
// # Subjects
//
// An event belongs to one subject: a task, an account, a merge queue or the fleet (event.Subject). Each aggregate has a
// pure Decide and Apply of its own. Decisions about many tasks at once are Schedule, a pure function over Fleet, which
// returns events and never actions.
package life
