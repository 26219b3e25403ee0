// Package replace puts a new file in the place of an old one, so that a reader finds one of them, whole.
//
// Owns: where the new one is made: beside the old one, so that what it holds never lies in TMPDIR, and a kill there leaves nothing.
// Never does: say what is written, or what it means that it could not be.
// Start at: File.
package replace
