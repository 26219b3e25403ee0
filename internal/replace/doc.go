// Package replace replaces a file by a new one, so that a reader finds either the old or the new one, and never a
// part.
//
// Owns: the temporary file, which is made in the same directory, so that its content never gets into TMPDIR.
// Never does: know what is written, or what a failure means.
// Start at: File, Durable, Quick, Sole, Secret.
package replace
