package control

import (
	"slices"

	"muster/internal/life"
	"muster/internal/store"
)

// TasksOverview is the answer to Overview.
type TasksOverview = store.Overview

// Summary is a task in a list. It and the rows below are named here, so that a front end needs no access to the database.
type Summary = store.Summary

// Deadline is the time at which a task is looked at next.
type Deadline = store.SummaryDeadline

// Round is a round of checks.
type Round = store.RoundRow

// Judged returns the numbers of the rounds that have judged something, oldest first.
func Judged(all []Round) (out []int) {
	for _, r := range all {
		if r.Commit != "" && !slices.Contains(out, r.Round) {
			out = append(out, r.Round)
		}
	}
	return out
}

// Attempt is a generation of an agent.
type Attempt = store.AttemptRow

// Message is a message to an agent.
type Message = store.MessageRow

// Request is an open request of an agent.
type Request = store.SummaryRequest

// Summarize returns the list entry of a task.
func Summarize(t life.Task) Summary { return store.Summarize(t) }
