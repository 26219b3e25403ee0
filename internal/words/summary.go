package words

import (
	"cmp"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/store"
)

// About returns the most useful line about a task in a list: why it is in its state, or what its agent last reported.
func About(t *store.Summary) string {
	if t.Left {
		return strings.TrimLeft(t.Detail+"; a process of it could not be ended", "; ")
	}
	switch {
	case t.Detail != "" && (t.State.Final() || t.State == event.Parked || t.State == event.Waiting || t.State == event.Limited):
		return t.Detail
	case t.Note != "":
		return t.Note
	}
	return t.Detail
}

// Compare orders tasks by how soon a person should look at them. Within a group it keeps tasks in place while they only
// go on: a task that begins its checks does not move in a list.
func Compare(a, b *store.Summary) int {
	group := GroupOf(a.State)
	if c := cmp.Or(cmp.Compare(rank(a), rank(b)), compareOptional(until(a), until(b))); c != 0 {
		return c
	}
	switch group {
	case NeedsYouGroup:
		if c := compareOptional(a.ChangedAt, b.ChangedAt); c != 0 {
			return c
		}
	case DoneGroup, CancelledGroup: // the newest first
		if c := compareOptional(b.FinishedAt, a.FinishedAt); c != 0 {
			return c
		}
	case QueuedGroup: // as life.CompareLine
		if c := cmp.Compare(b.Priority, a.Priority); c != 0 {
			return c
		}
	case RunningGroup:
	}
	return cmp.Compare(a.ID.Number(), b.ID.Number())
}

// rank returns the place of a task's state. States in which an agent makes progress have the same.
func rank(t *store.Summary) int {
	switch {
	case t.State == event.Parked && t.Request != nil:
		return 1
	case t.State == event.Waiting:
		return 0
	case GroupOf(t.State) == RunningGroup && t.State != event.Stalled && t.State != event.Limited:
		return 2 + Attention(event.Preparing)
	}
	return 2 + Attention(t.State)
}

// until returns until when a task waits for an answer; nil for a task that does not, or if that is not known.
func until(t *store.Summary) *time.Time {
	if t.State != event.Waiting || t.Request == nil {
		return nil
	}
	return t.Request.Until
}

// compareOptional compares times. A missing time comes last.
func compareOptional(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return a.Compare(*b)
}

// Asks reports whether a task has a request that an answer can go to.
func Asks(t *store.Summary) bool {
	return t.Request != nil && (t.State == event.Waiting || t.State == event.Parked)
}
