// Package spec writes and reads the private files that tell a process of muster what to run.
//
// Owns: their version and kind, that only their owner can read them, and words of any bytes in JSON.
// Never does: know what is in a file beyond its version and kind.
// Start at: Write, Read.
package spec
