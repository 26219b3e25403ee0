// Package run is the only place where muster starts other programs.
//
// Owns: os/exec; deadlines, process groups, capped output, the error that a failed program becomes; output to a terminal
// that may not take it (FreeWriter, whose goroutine ends with the process).
// Never does: use a shell, or pass on its own environment by itself.
// Start at: Do for a program that ends, Start for one that stays, Replace for exec.
package run
