// Package words describes the events of a fleet in plain English: events, verdicts, exits, and the next steps of a
// task. Every front end uses the same wording. All functions are pure. They return one line that is safe to print:
// text of agents and repositories is cleaned.
//
// Owns: the wording of the log for people, and the commands that continue a task.
// Never does: read a file or a clock, colour or cut to a terminal's width, decide anything.
// Start at: Event, NextSteps.
package words
