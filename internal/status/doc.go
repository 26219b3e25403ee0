// Package status is the status file: how a record is written, read, cleaned and followed.
//
// Owns: the format of status lines, what of them a terminal may see, the one inotify instance of the fleet.
// Never does: decide what a record means, obey one, or write to a file that an agent owns.
// Start at: Append for a writer, Parse for a reader, Watcher for the supervisor.
package status
