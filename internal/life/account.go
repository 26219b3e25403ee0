package life

import (
	"time"

	"muster/internal/event"
)

// Account is the state of an account: the fold of its events. A usage limit belongs to the account and not to the
// tasks that meet it.
type Account struct {
	ID event.AccountID `json:"id"`
	// Since is when the present rest began. It is zero while the account does not rest.
	Since     time.Time    `json:"since,omitzero"`
	By        event.TaskID `json:"by,omitempty"` // the task whose agent reported it first
	Deadlines []Deadline   `json:"deadlines,omitempty"`
}

// AccountLimited is an input of DecideAccount: the agent of a task reported that the usage limit is reached.
type AccountLimited struct {
	Task  event.TaskID
	Until time.Time // when the limit is reset
}

func (AccountLimited) input() {}

// LimitOf reports whether an event of a task means that its account's limit is reached, and until when.
func LimitOf(e event.Event) (AccountLimited, bool) {
	d, ok := e.Data.(event.DeadlineSet)
	if !ok || d.Name != event.DeadlineAPIRetry || !d.Instant {
		return AccountLimited{}, false
	}
	return AccountLimited{Task: e.Task, Until: d.At}, true
}

// Account returns the account that the agent of the task uses.
func (t Task) Account() event.AccountID { return event.AccountID(t.Spec.Agent) }

// DecideAccount makes every decision about one account, as Decide does for a task. An account rests until the latest
// reset that any of its agents has reported, and wakes by its own deadline. It has no actions so far.
func DecideAccount(a Account, in Input, now time.Time) []event.Event {
	var out []event.Event
	emit := func(p event.Payload) {
		out = append(out, event.Event{Time: now, Subject: event.OfAccount(a.ID), Data: p})
	}
	rest, resting := deadline(a.Deadlines, event.DeadlineRest)
	switch in := in.(type) {
	case AccountLimited:
		if !in.Until.After(now) || resting && !in.Until.After(rest.At) {
			break
		}
		if !resting {
			emit(event.AccountRested{Until: in.Until, By: in.Task})
		}
		emit(event.DeadlineSet{Name: event.DeadlineRest, At: in.Until, Instant: true})
	case Due:
		if in.Name == event.DeadlineRest && resting && !rest.At.After(now) {
			emit(event.DeadlineCleared{Name: event.DeadlineRest})
			emit(event.AccountWoke{})
		}
	}
	return out
}

// ApplyAccount folds an event into an account. Like Apply it decides nothing.
func ApplyAccount(a Account, e event.Event) Account {
	a.ID = e.Account
	switch p := e.Data.(type) {
	case event.AccountRested:
		a.Since, a.By = e.Time, p.By
	case event.AccountWoke:
		a.Since, a.By = time.Time{}, ""
	case event.DeadlineSet:
		a.Deadlines = withDeadline(a.Deadlines, Deadline(p))
	case event.DeadlineCleared:
		a.Deadlines = withoutDeadline(a.Deadlines, p.Name)
	}
	return a
}
