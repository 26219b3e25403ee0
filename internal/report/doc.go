// Package report tells what happened in a fleet while nobody was there: what is finished, what needs a person and by which
// command it goes on, what muster did by itself, and how the slots were used.
//
// Owns: the content of the report, and its forms: text, Markdown, HTML and JSON.
// Never does: read a log, a repository or a clock; control gathers what it needs.
// Start at: Report, Night, Text.
package report
