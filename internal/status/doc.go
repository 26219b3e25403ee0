// Package status writes, reads, cleans and follows status files.
//
// Owns: the format of status lines, the cleaning of their texts for terminals, the fleet's one inotify instance.
// Never does: decide what a record means, obey one, or write to a file that an agent owns.
// Start at: Append for a writer, Parse for a reader, Watcher for the supervisor.
//
// A Watcher follows any number of files with two goroutines:
//
//	inotify ──▶ pump ──▶ queue of files ──▶ readAll ──▶ Batches
//	            note     each file once     pass: open, tail or whole, parse, limit
//
// Events are hints: an event only puts a file into the queue. Rescan queues all files, at the start and after an
// overflow. The file and its offset decide what is read. A pass opens the file, recognises it by inode and by the
// bytes before the offset (a replaced or truncated file is read from its start), takes the complete lines of at most one
// MiB, and sends one Batch with the records and the next offset. The receiver stores both in one transaction, so no record
// is lost or taken twice. If the batch is not received because Serve ends, the pass is undone.
//
// Three rules keep an agent from harming its neighbours. Files take turns. A file over its rate of records is read at
// intervals, and its records that change nothing are coalesced (limiter). Only regular files are opened, without blocking.
//
// While a directory does not exist, its nearest ancestor is watched (dirs.go).
package status
