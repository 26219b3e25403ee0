// Package cli is the command line: one file for each verb.
//
// Owns: verbs and flags, tables and JSON, exit codes, and the package that each verb calls.
// Never does: decide about a task; a verb parses arguments, calls another package and prints.
// Start at: Main.
package cli
