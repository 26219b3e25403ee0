// Package words describes what happened in a fleet in plain English: events, verdicts, exits, and the next steps of a
// task. Every front end uses the same words. All functions are pure, and what they return is one line that is safe to
// print: text of agents and repositories is cleaned before.
//
// Owns: the wording of the log for people, and which commands take a task on.
// Never does: read a file or a clock, colour or cut to a terminal's width, decide anything.
// Start at: Event, NextSteps.
package words
