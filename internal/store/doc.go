// Package store keeps the event log and what is folded from it.
//
// Owns: the SQLite file: log, projections, offsets, migrations, and who may write when.
// Never does: decide what happens to a task; every projection is the fold of the log, in the same transaction.
// Start at: Store for readers and verbs, Writer for the supervisor, Tx for both.
package store
