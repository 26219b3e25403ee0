// Package cast records what the terminal of an agent shows, and reads such recordings, as asciicast version 2.
//
// Owns: the files of recordings and their bounds, the process that writes them, and what of a recording a terminal may be given.
// Never does: hold up the terminal that it records, start a program, or hand on a byte that Filter has not judged.
// Start at: Record, Find, Recording.Events, Filter.
package cast
