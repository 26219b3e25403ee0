// Package store keeps the event log and the projections that are folded from it.
//
// Owns: the SQLite file: log, projections, offsets, migrations, and the order of writers.
// Never does: decide what happens to a task. Every projection is the fold of the log, in the same transaction.
// Start at: Store for readers and verbs, Writer for the supervisor, Tx for both.
package store
