// Package replace puts a new file in the place of an old one, so that a reader finds one of them, whole.
//
// Owns: where the new file is made: beside the old one, so that nothing of it gets into TMPDIR.
// Never does: know what is written, or what a failure means.
// Start at: File, Durable, Quick, Sole.
package replace
