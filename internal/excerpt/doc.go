// Package excerpt cuts what a program said down to what helps to mend it.
//
// Owns: which part of a long output an agent or a person is shown, and what is stripped from foreign text.
// Never does: read a file, run a program, know what a check is.
// Start at: Useful.
package excerpt
