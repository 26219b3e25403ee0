package report

import (
	"cmp"
	"slices"
	"time"

	"muster/internal/event"
)

// ledger holds the changes of what decides whether slots are busy, and why they are free.
type ledger struct {
	changes []change
	started bool // whether the supervisor wrote something before the first supervisor.started
	begun   bool // whether there was a supervisor.started or supervisor.stopped
	off     bool // whether no supervisor ran at the beginning
	resting map[event.AccountID]bool
}

// change is a change of the fleet at one time.
type change struct {
	at                           time.Time
	used, queued, blocked, rests int // differences
	gate                         *string
	supervised                   *bool
}

// add adds the changes of an event.
func (l *ledger) add(e event.Event) {
	c := change{at: e.Time}
	switch p := e.Data.(type) {
	case event.SlotGranted:
		c.used = 1
	case event.SlotReleased:
		c.used = -1
	case event.DispatchRequested:
		c.queued = 1
	case event.TaskMoved:
		c.queued = in(p.To, event.Queued) - in(p.From, event.Queued)
		c.blocked = in(p.To, event.Blocked) - in(p.From, event.Blocked)
	case event.AccountRested: // an incident may have several rests
		if !l.resting[e.Account] {
			c.rests = 1
		}
		l.rests(e.Account, true)
	case event.AccountWoke:
		c.rests = -1
		l.rests(e.Account, false)
	case event.GateClosed:
		c.gate = &p.Reason
	case event.GateOpened:
		c.gate = new(string)
	case event.SupervisorStarted:
		l.supervisor(&c, true)
	case event.SupervisorStopped:
		l.supervisor(&c, false)
	default:
		return
	}
	if _, byPerson := e.Data.(event.DispatchRequested); !byPerson && !l.begun {
		l.started = true
	}
	l.changes = append(l.changes, c)
}

// rests notes whether an account rests.
func (l *ledger) rests(id event.AccountID, on bool) {
	if l.resting == nil {
		l.resting = map[event.AccountID]bool{}
	}
	l.resting[id] = on
}

// supervisor notes that a supervisor has started or ended. If nothing was written by one before the first start, none ran.
func (l *ledger) supervisor(c *change, on bool) {
	c.supervised = &on
	if !l.begun {
		l.off = on && !l.started
	}
	l.begun = true
}

// in returns 1 if a state is the given one, otherwise 0.
func in(s, want event.State) int {
	if s == want {
		return 1
	}
	return 0
}

// The reasons of free slots, but for a closed gate, which has its own.
const (
	whyUnsupervised = "no supervisor ran"
	whyEmpty        = "nothing was queued"
	whyBlocked      = "the queued tasks waited for other tasks"
	whyRests        = "an account rested"
	whyQueued       = "tasks waited in the queue"
)

// sum returns how the slots were used. The numbers at the beginning follow from those at the end.
func (l *ledger) sum(w World) Slots {
	used, queued, blocked := w.Used, w.Counts[event.Queued], w.Counts[event.Blocked]
	gate, rests := "", 0
	closed := false // whether a gate event was seen
	for _, c := range l.changes {
		used, queued, blocked = used-c.used, queued-c.queued, blocked-c.blocked
		closed = closed || c.gate != nil
	}
	if !closed {
		gate = w.Gate
	}
	supervised := !l.off
	if !l.begun {
		supervised = w.Running || l.started
	}
	s := Slots{Total: w.Slots, Idle: []Idle{}}
	free := map[string]float64{}
	last := w.Since
	count := func(until time.Time) {
		if until.After(w.Until) {
			until = w.Until
		}
		hours := until.Sub(last).Hours()
		if hours <= 0 { // a clock that was set back
			return
		}
		busy := min(max(used, 0), w.Slots)
		s.Busy += float64(busy) * hours
		if idle := w.Slots - busy; idle > 0 {
			free[whyFree(supervised, gate, queued, blocked, rests)] += float64(idle) * hours
		}
		last = until
	}
	for _, c := range l.changes {
		count(c.at)
		used, queued, blocked = used+c.used, queued+c.queued, blocked+c.blocked
		rests = max(rests+c.rests, 0)
		if c.gate != nil {
			gate = *c.gate
		}
		if c.supervised != nil {
			supervised = *c.supervised
		}
	}
	count(w.Until)
	for why, hours := range free {
		s.Idle = append(s.Idle, Idle{Why: why, Hours: hours})
	}
	slices.SortFunc(s.Idle, func(a, b Idle) int { return cmp.Or(cmp.Compare(b.Hours, a.Hours), cmp.Compare(a.Why, b.Why)) })
	return s
}

// whyFree returns why a slot is free.
func whyFree(supervised bool, gate string, queued, blocked, rests int) string {
	switch {
	case queued+blocked <= 0:
		return whyEmpty
	case !supervised:
		return whyUnsupervised
	case gate != "":
		return gate
	case queued <= 0:
		return whyBlocked
	case rests > 0:
		return whyRests
	}
	return whyQueued
}
