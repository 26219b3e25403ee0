package control

import (
	"muster/internal/life"
	"muster/internal/store"
)

// Summary and the types below are the rows that queries answer with, so that a front end needs no access to the database.
type (
	Summary  = store.Summary         // a task in a list
	Deadline = store.SummaryDeadline // when a task is looked at next
	Round    = store.RoundRow        // a round of checks
	Attempt  = store.AttemptRow      // a generation of an agent
	Message  = store.MessageRow      // a message to an agent
	Request  = store.SummaryRequest  // what an agent waits to be told
)

// Summarize returns the list entry of a task.
func Summarize(t life.Task) Summary { return store.Summarize(t) }
