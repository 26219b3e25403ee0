// Package control is what every front end uses: Do a command, Get an answer, Watch the log.
//
// Owns: the commands and queries as data, what must hold before a command is taken, how a task is named by a person.
// Never does: act on the world, need a running supervisor, print.
// Start at: Control.Do; each command is a type of its own.
package control
