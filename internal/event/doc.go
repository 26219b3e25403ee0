// Package event defines the vocabulary of the log: ids, kinds, payloads and their versions, and the status record.
//
// Owns: every name that is written to the event log or to a status file.
// Never does: decide, read a clock, touch a file.
// Start at: Event, and the table of kinds beside it.
package event
