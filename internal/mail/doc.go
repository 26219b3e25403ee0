// Package mail handles the files between the supervisor and one generation of an agent: messages, bell, requests, answers,
// checks.
//
// Each directory has one direction. The supervisor alone writes ro/in with messages and answers; the agent's side writes
// rw/out with requests and with marks of the messages that it took. The pipes are in rw.
//
// Owns: the names and the crash-safe use of these files in a generation's directory.
// Never does: start a goroutine, open the database, or decide what is sent.
// Start at: Box.
package mail
