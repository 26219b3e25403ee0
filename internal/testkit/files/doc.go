// Package files reads and writes the files of tests.
//
// Owns: that a file which a test cannot read or write fails the test.
// Never does: run outside tests.
// Start at: Read, Write, Script.
package files
