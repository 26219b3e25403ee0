// Package text cleans, cuts and quotes text that agents, programs and repositories wrote.
//
// Owns: which characters and escape sequences are removed, how a text is cut, excerpts of program output, quoting for
// a shell, and how the end of a process is named.
// Never does: read a file, run a program, or know who wrote a text.
// Start at: Clean, Line, Excerpt, Writer.
package text
