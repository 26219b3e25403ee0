// Package home defines the layout of the state directory.
//
// Owns: the names of muster's own files and directories, and the search for the state directory.
// Never does: read or write those files, except for creating the directories themselves.
// Start at: Find, Dir.
package home
