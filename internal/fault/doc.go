// Package fault is how anything in muster fails.
//
// Owns: the error with a code, a message for people and a hint, and the one table from codes to exit codes.
// Never does: print, log, or decide what happens after an error.
// Start at: Error.
package fault
