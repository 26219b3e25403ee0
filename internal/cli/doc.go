// Package cli is the command line: one file for each verb, and the composition root.
//
// Owns: words, flags, tables, exit codes; wire*.go plugs the edges into the interfaces that fleet declares.
// Never does: decide about a task; a verb parses, calls, prints.
// Start at: Main; wire.go for what hangs together how.
package cli
