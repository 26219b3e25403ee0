// Package mail handles the files between the supervisor and one generation of an agent: inbox, bell, answers, checks.
//
// Owns: the names and the crash-safe use of these files in a generation's directory.
// Never does: start a goroutine, open the database, or decide what is sent.
// Start at: Box.
package mail
