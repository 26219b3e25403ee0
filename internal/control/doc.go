// Package control is the one interface of all front ends to a fleet: Do a command, Get the answer to a query, Watch the log.
//
// Owns: commands and queries as data, the preconditions of commands, how a person's reference to a task is resolved.
// Never does: print, decide what an agent does next, change the log except by appending requests.
// Start at: Control.Do and Get; each command and each query is a type of its own.
package control
