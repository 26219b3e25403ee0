// Package status is the status file: how a record is written, read, cleaned and followed.
//
// Owns: the format of status lines, what of them a terminal may see, the one inotify instance of the fleet.
// Never does: decide what a record means, obey one, or write to a file that an agent owns.
// Start at: Append for a writer, Parse for a reader, Watcher for the supervisor.
//
// A Watcher follows any number of files with two goroutines:
//
//	inotify ──▶ pump ──▶ queue of files ──▶ readAll ──▶ Batches
//	            note     each file once     pass: open, tail or whole, parse, limit
//
// Events are hints: an event only puts a file into the queue, and Rescan puts in all of them, at the start and after an
// overflow. What was read is decided by the file and its offset. A pass opens the file, recognises it by inode and by the
// bytes before the offset (a replaced or truncated file is read from its start), takes the complete lines of at most one
// MiB, and sends one Batch with the records and the next offset. The receiver stores both in one transaction, so no record
// is lost or taken twice. If the batch is not received because Serve ends, the pass is undone.
//
// Three things keep an agent from harming its neighbours: files take turns, a file over its rate of records is read at
// intervals and records that change nothing are coalesced (limiter), and only regular files are opened, without blocking.
//
// A directory that does not exist yet is awaited by a watch on its nearest ancestor (dirs.go).
package status
