// Package home says where everything lies under the state directory.
//
// Owns: the names of muster's own files and directories (design section 9), and how the directory is found.
// Never does: read or write what lies there, but for creating the directories themselves.
// Start at: Find, Dir.
package home
