// Package cli is the command line: one file for each verb.
//
// Owns: words, flags, tables, exit codes, and which other package a verb calls.
// Never does: decide about a task; a verb parses, calls, prints.
// Start at: Main.
package cli
