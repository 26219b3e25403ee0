// Package regular opens and reads files that an agent or another program may replace with anything.
//
// Owns: opening only regular files, never blocking on open, and reading no more than a limit.
// Never does: trust the content of a file.
// Start at: Read, Open.
package regular
