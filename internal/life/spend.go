package life

import (
	"slices"
	"time"

	"muster/internal/event"
)

// Spent is what was used of a shared budget since the night began: of the account's, or of the night's.
type Spent struct {
	Since time.Time        `json:"since,omitzero"` // when the night began; zero if nothing is counted
	Until time.Time        `json:"until,omitzero"` // when it ends
	Usage event.Usage      `json:"usage,omitzero"`
	From  event.Usage      `json:"from,omitzero"` // what was used before a person granted the budget once more
	Level event.SpendLevel `json:"level,omitempty"`
	Hard  bool             `json:"hard,omitempty"`
}

// Counted returns what counts against the budget.
func (s Spent) Counted() event.Usage { return s.Usage.Since(s.From) }

// Allowance is a shared budget, and the time of day at which it is renewed.
type Allowance struct {
	event.SharedBudget
	Dusk time.Duration // after midnight, in the zone of the clock
}

// AccountSpend is an input of DecideAccount: a task has used something, or the budget is looked at before a start.
type AccountSpend struct {
	Task      event.TaskID
	Usage     event.Usage // since the last input; zero if nothing was used
	Allowance Allowance
}

func (AccountSpend) input() {}

// UsedBy returns what the events of a decision about a task add to its usage.
func UsedBy(before Task, events []event.Event) (sum event.Usage) {
	usage := before.Usage
	for _, e := range events {
		p, ok := e.Data.(event.UsageRecorded)
		if !ok {
			continue
		}
		was := event.Usage{}
		for _, u := range usage {
			if u.Conversation == p.Conversation {
				was = u.Usage
			}
		}
		usage = setUsage(usage, p)
		sum = sum.Add(p.Usage.Since(was))
	}
	sum.Model = ""
	return sum
}

// defaultShare is the share of a shared budget from which on no task is begun, if the budget names none.
const defaultShare = 0.8

// night returns the night that contains now: from one dusk to the next.
func (a Allowance) night(now time.Time) (since, until time.Time) {
	dusk := func(day int) time.Time {
		return time.Date(now.Year(), now.Month(), now.Day()+day, int(a.Dusk/time.Hour), int(a.Dusk%time.Hour/time.Minute), 0, 0, now.Location())
	}
	if since = dusk(0); since.After(now) {
		return dusk(-1).UTC(), since.UTC()
	}
	return since.UTC(), dusk(1).UTC()
}

// level returns how much of the budget is used.
func (a Allowance) level(u event.Usage) event.SpendLevel {
	share := 0.0
	if a.CostUSD > 0 {
		share = u.CostUSD / a.CostUSD
	}
	if a.Tokens > 0 {
		share = max(share, float64(u.Tokens())/float64(a.Tokens))
	}
	soft := a.Soft
	if soft == 0 {
		soft = defaultShare
	}
	switch {
	case !a.Limited():
	case share >= 1:
		return event.SpendSpent
	case share >= soft:
		return event.SpendSoft
	}
	return event.SpendFree
}

// in returns what was used in the night that contains now. A clock that is set back by less than a day stays in the
// night that has begun, so that nothing is granted twice.
func (s Spent) in(a Allowance, now time.Time) Spent {
	if now.Before(s.Until) && now.After(s.Since.Add(-24*time.Hour)) {
		return s
	}
	since, until := a.night(now)
	return Spent{Since: since, Until: until}
}

// spend counts what was used, and decides what follows for the account.
func (s *accountStep) spend(in AccountSpend) {
	was := s.a.Spent
	next := was.in(in.Allowance, s.now)
	next.Usage = next.Usage.Add(in.Usage)
	next.Level, next.Hard = in.Allowance.level(next.Counted()), in.Allowance.Hard
	used := in.Usage != (event.Usage{}) && in.Allowance.Limited()
	if used || next.Level != was.Level || next.Level != event.SpendFree && next.Hard != was.Hard {
		s.emit(event.AccountSpent{Since: next.Since, Until: next.Until, Usage: next.Usage, Level: next.Level, Hard: next.Hard, By: in.Task})
		s.watchNight()
	}
	switch {
	case s.a.Spent.Level == event.SpendSpent && s.spentMatters():
		s.restUntilDusk(in.Task)
	case s.a.Spent.Level != event.SpendSpent && s.a.Resting() && s.a.Cause == event.RestBudget:
		s.wake(event.WakeBudget)
	}
}

// watchNight sets the deadline at which a budget is renewed that stops something.
func (s *accountStep) watchNight() {
	d, set := deadline(s.a.Deadlines, event.DeadlineNight)
	switch {
	case s.a.Spent.Level == event.SpendFree:
		s.clear(event.DeadlineNight)
	case !set || !d.At.Equal(s.a.Spent.Until):
		s.emit(event.DeadlineSet{Name: event.DeadlineNight, At: s.a.Spent.Until, Instant: true})
	}
}

// spentMatters reports whether the account must rest for its budget: it does not rest longer for another cause.
func (s *accountStep) spentMatters() bool {
	switch a := s.a; {
	case !a.Resting():
		return true
	case a.Cause.Endless(), a.Cause == event.RestPerson && a.Until.IsZero():
		return false
	default:
		return a.Until.Before(a.Spent.Until)
	}
}

// restUntilDusk begins a rest for the budget.
func (s *accountStep) restUntilDusk(by event.TaskID) {
	s.rest(AccountLimited{Task: by, Cause: event.RestBudget, Until: s.a.Spent.Until})
}

// grant grants the budget once more, as a person asked.
func (s *accountStep) grant() {
	if s.a.Spent.Level == event.SpendFree {
		return
	}
	s.emit(event.BudgetGranted{Usage: s.a.Spent.Usage})
	s.watchNight()
}

// newNight ends the night: what was used in it does not count any more.
func (s *accountStep) newNight() {
	s.clear(event.DeadlineNight)
	s.emit(event.AccountSpent{})
}

// spentFold folds what was used of a shared budget.
func spentFold(was Spent, p event.AccountSpent) Spent {
	s := Spent{Since: p.Since, Until: p.Until, Usage: p.Usage, Level: p.Level, Hard: p.Hard}
	if p.Since.Equal(was.Since) {
		s.From = was.From
	}
	return s
}

// mindHold ends the turn of an agent at once if the budget of its account, or that of the night, is hard and spent. A turn
// that has ended is judged: that costs nothing more.
func (s *step) mindHold() {
	if s.t.Held == nil || !s.t.Held.Hard || s.t.State != event.Working || !s.t.Agent.Live || s.t.Agent.Turn.Over() {
		return
	}
	if s.t.hardHoldBegins() {
		s.rest(event.WhyBudget)
		s.endAgent()
	}
}

// hardHoldBegins reports whether a turn can be ended now: what is on its way to the agent arrives first, so that nothing
// is sent twice.
func (t *Task) hardHoldBegins() bool {
	return !slices.ContainsFunc(t.Messages, func(m Message) bool { return m.State == event.MessageSending }) &&
		!slices.ContainsFunc(t.Open, func(a event.Action) bool {
			return slices.Contains([]event.ActionKind{event.ActStart, event.ActDeliver, event.ActConfirm, event.ActAnswer, event.ActInterrupt}, a.Kind())
		})
}
