package life

import (
	"cmp"
	"slices"
	"time"

	"muster/internal/event"
)

// Account is the state of an account: the fold of its events. A usage limit or a login that does not work belongs to
// the account and not to the tasks that meet it.
type Account struct {
	ID event.AccountID `json:"id"`
	// Since is when the present incident began. It is zero while the account is free.
	Since     time.Time    `json:"since,omitzero"`
	By        event.TaskID `json:"by,omitempty"` // the task whose agent reported it first
	Deadlines []Deadline   `json:"deadlines,omitempty"`

	Phase  Phase            `json:"phase,omitempty"`
	Cause  event.RestCause  `json:"cause,omitempty"`
	Until  time.Time        `json:"until,omitzero"` // the end of the rest as it was named; zero if it has none
	Source event.RestSource `json:"source,omitempty"`
	Looks  int              `json:"looks,omitempty"` // rests in a row whose end nothing names
	// Credential is a fingerprint of the credential file at the beginning of the incident.
	Credential string `json:"credential,omitempty"`
	// Probe is the task whose agent tries the account, since ProbedAt.
	Probe    event.TaskID `json:"probe,omitempty"`
	ProbedAt time.Time    `json:"probed_at,omitzero"`
	// Parked lists the tasks that the incident has parked.
	Parked  []event.TaskID      `json:"parked,omitempty"`
	Windows []event.LimitWindow `json:"windows,omitempty"` // the use of its limits, as reported last
	Spent   Spent               `json:"spent,omitzero"`    // of its budget
}

// Phase is a phase of an account's incident; "" is an account that is free.
type Phase string

// The phases of an incident, in their order.
const (
	PhaseResting Phase = "resting" // nothing is started on the account, and nothing is sent to its agents
	PhaseProbing Phase = "probing" // one agent tries it, alone
	PhaseWaking  Phase = "waking"  // the others follow, one after another
)

// Resting reports whether nothing may be started on the account now. An account that an older version let rest has no
// phase.
func (a Account) Resting() bool {
	_, due := deadline(a.Deadlines, event.DeadlineRest)
	return a.Phase == PhaseResting || a.Phase == "" && due
}

// Free reports whether the account has no incident.
func (a Account) Free() bool { return a.Phase == "" && !a.Resting() }

// RestCause returns why the account rests. An older version knew usage limits only.
func (a Account) RestCause() event.RestCause { return cmp.Or(a.Cause, event.RestLimit) }

// Held is why a task's agent gets nothing now: its account rests.
type Held struct {
	Cause event.RestCause `json:"cause"`
	Until time.Time       `json:"until,omitzero"` // zero if the rest has no end of its own
	// Hard means that its turn is ended at once, because a hard budget is spent.
	Hard bool `json:"hard,omitempty"`
	// Of is event.NightBudget if the whole fleet rests; "" if the task's account does.
	Of event.AccountID `json:"of,omitempty"`
}

// AccountLimited is an input of DecideAccount: the agent of a task reported that the account cannot be used.
type AccountLimited struct {
	Task       event.TaskID
	Cause      event.RestCause
	Until      time.Time // when the limit is reset; zero if nothing names it
	Source     event.RestSource
	Credential string // a fingerprint of the credential file; "" if there is none
}

// AccountProduced is an input of DecideAccount: the agent of a task got an answer of the service.
type AccountProduced struct{ Task event.TaskID }

// AccountUse is an input of DecideAccount: how much of its limits is used.
type AccountUse struct{ Windows []event.LimitWindow }

// AccountWake is an input of DecideAccount: the account may be usable again.
type AccountWake struct{ Why event.WakeWhy }

func (AccountLimited) input()  {}
func (AccountProduced) input() {}
func (AccountUse) input()      {}
func (AccountWake) input()     {}

const (
	// restMargin is added to the named end of a limit: clocks differ, and words name minutes. A short limit gets a tenth
	// of its length.
	restMargin = time.Minute
	// longestRest bounds a named end. The longest window of a known service is a week.
	longestRest = 8 * 24 * time.Hour
	// An end that nothing names is looked for after firstLook, which doubles up to longestLook. After lookLong of that
	// the pause is lookPause.
	firstLook   = time.Minute
	longestLook = 15 * time.Minute
	lookLong    = time.Hour
	lookPause   = 10 * time.Minute
)

// accountStep is one decision about an account.
type accountStep struct {
	a   Account
	now time.Time
	out []event.Event
}

// DecideAccount makes every decision about one account, as Decide does for a task. It has no actions: what follows for
// tasks is decided by Decide and Schedule.
func DecideAccount(a Account, in Input, now time.Time) []event.Event {
	s := &accountStep{a: a, now: now}
	switch in := in.(type) {
	case AccountLimited:
		s.limited(in)
	case AccountProduced:
		if a.Phase == PhaseProbing && in.Task == a.Probe {
			s.emit(event.AccountProved{Task: in.Task})
		}
	case AccountUse:
		if !sameUse(a.Windows, in.Windows) {
			s.emit(event.AccountUsed{Windows: in.Windows})
		}
	case AccountSpend:
		s.spend(in)
	case AccountWake:
		s.wake(in.Why)
	case Heard:
		switch p := in.Payload.(type) {
		case event.WakeRequested:
			s.grant()
			s.wake(event.WakePerson)
		case event.RestRequested:
			s.rest(AccountLimited{Cause: event.RestPerson, Until: p.Until})
		}
	case Due:
		s.due(in.Name)
	}
	return s.out
}

func (s *accountStep) emit(p event.Payload) {
	e := event.Event{Time: s.now, Subject: event.OfAccount(s.a.ID), Data: p}
	s.out = append(s.out, e)
	s.a = ApplyAccount(s.a, e)
}

func (s *accountStep) clear(name event.DeadlineName) {
	if _, set := deadline(s.a.Deadlines, name); set {
		s.emit(event.DeadlineCleared{Name: name})
	}
}

// limited handles the report of an agent that the account cannot be used.
func (s *accountStep) limited(in AccountLimited) {
	in.Cause = cmp.Or(in.Cause, event.RestLimit)
	named := in.Until.After(s.now)
	switch a := s.a; {
	case !a.Resting():
		// A late report of a limit that has ended proves nothing, unless it is the probe's.
		if named || in.Until.IsZero() || a.Phase == PhaseProbing && in.Task == a.Probe {
			s.rest(in)
		}
	case a.Cause.Endless():
		if in.Cause.Endless() && !slices.Contains(a.Parked, in.Task) {
			s.emit(event.AccountMet{Task: in.Task})
		}
	case in.Cause.Endless():
		s.rest(in)
	case a.Cause == event.RestPerson && a.Until.IsZero() || !named:
		// it rests, and no shorter than that
	case a.Cause == event.RestBudget:
		if in.Until.After(a.Until) {
			s.rest(in) // it is no longer the budget that it waits for
		}
	case in.Until.After(a.Until), a.Source == event.SourceWords && in.Task == a.By && in.Source != event.SourceWords && !in.Until.Equal(a.Until):
		in.Until = s.bounded(in.Until)
		s.emit(event.AccountUntil{Until: in.Until, Source: in.Source, By: in.Task})
		s.emit(event.DeadlineSet{Name: event.DeadlineRest, At: in.Until.Add(margin(in.Until.Sub(s.now))), Instant: true})
	}
}

func (s *accountStep) bounded(t time.Time) time.Time {
	if last := s.now.Add(longestRest); t.After(last) {
		return last
	}
	return t
}

// margin returns how long after its named end a limit of this length is tried.
func margin(length time.Duration) time.Duration { return min(restMargin, length/10) }

// rest begins a rest, or another one of the same incident.
func (s *accountStep) rest(in AccountLimited) {
	s.clear(event.DeadlineSpread)
	p := event.AccountRested{Account: s.a.ID, Cause: in.Cause, Source: in.Source, By: in.Task}
	at, instant := time.Time{}, true
	switch {
	case in.Cause.Endless():
		p.Source, p.Credential = "", in.Credential
	case in.Until.After(s.now):
		p.Until = s.bounded(in.Until)
		at = p.Until.Add(margin(p.Until.Sub(s.now)))
		if in.Cause == event.RestBudget {
			at = p.Until // it is ours, and exact
		}
	case in.Cause == event.RestPerson:
	default:
		p.Source = event.SourceNone
		at, instant = s.now.Add(s.look()), false
		p.Until = at
	}
	if at.IsZero() {
		s.clear(event.DeadlineRest)
	}
	s.emit(p)
	if !at.IsZero() {
		s.emit(event.DeadlineSet{Name: event.DeadlineRest, At: at, Instant: instant})
	}
}

// look returns the pause before an account is tried whose end nothing names.
func (s *accountStep) look() time.Duration {
	if !s.a.Since.IsZero() && s.now.Sub(s.a.Since) >= lookLong {
		return lookPause
	}
	return min(firstLook<<min(s.a.Looks, 4), longestLook)
}

// wake ends a rest: one agent may try the account. Nothing needs to be tried about the night.
func (s *accountStep) wake(why event.WakeWhy) {
	switch {
	case !s.a.Resting():
	case s.a.Spent.Level == event.SpendSpent && s.now.Before(s.a.Spent.Until) && (s.a.Cause != event.RestBudget || s.a.Until.Before(s.a.Spent.Until)):
		s.restUntilDusk("")
	case s.a.ID == event.NightBudget:
		s.clear(event.DeadlineRest)
		s.emit(event.AccountWoke{})
	default:
		s.clear(event.DeadlineRest)
		s.emit(event.AccountProbing{Why: why})
	}
}

// due handles a deadline of the account.
func (s *accountStep) due(name event.DeadlineName) {
	d, set := deadline(s.a.Deadlines, name)
	if !set || d.At.After(s.now) {
		return
	}
	if name == event.DeadlineNight {
		s.newNight()
		return
	}
	if name == event.DeadlineRest && s.a.Resting() {
		why := event.WakeReset
		switch {
		case s.a.Cause == event.RestBudget:
			why = event.WakeBudget
		case s.a.Source == event.SourceNone:
			why = event.WakeLook
		}
		s.wake(why)
		return
	}
	s.clear(name)
}

// sameUse reports whether the use of the limits is the same in whole percents.
func sameUse(a, b []event.LimitWindow) bool {
	return slices.EqualFunc(a, b, func(x, y event.LimitWindow) bool {
		d := x.ResetsAt.Sub(y.ResetsAt)
		return x.Name == y.Name && int(x.UsedPercent) == int(y.UsedPercent) && -time.Minute < d && d < time.Minute
	})
}

// ApplyAccount folds an event into an account. Like Apply it decides nothing.
func ApplyAccount(a Account, e event.Event) Account {
	a.ID = e.Account
	switch p := e.Data.(type) {
	case event.AccountRested:
		a = rested(a, e.Time, p)
	case event.AccountUntil:
		a.Until, a.Source = p.Until, p.Source
	case event.AccountMet:
		a.Parked = append(slices.Clone(a.Parked), p.Task)
	case event.AccountProbing:
		a.Phase, a.Until, a.Probe, a.Parked = PhaseProbing, time.Time{}, "", nil
	case event.AccountProbed:
		a.Probe, a.ProbedAt = p.Task, e.Time
	case event.AccountProved:
		a.Phase, a.Looks, a.Since = PhaseWaking, 0, e.Time
	case event.AccountWoke:
		a = Account{ID: a.ID, Deadlines: a.Deadlines, Windows: a.Windows, Spent: a.Spent}
	case event.AccountUsed:
		a.Windows = p.Windows
	case event.AccountSpent:
		a.Spent = spentFold(a.Spent, p)
	case event.BudgetGranted:
		a.Spent.From, a.Spent.Level = p.Usage, event.SpendFree
	case event.DeadlineSet:
		a.Deadlines = withDeadline(a.Deadlines, Deadline(p))
	case event.DeadlineCleared:
		a.Deadlines = withoutDeadline(a.Deadlines, p.Name)
	}
	return a
}

// rested folds the beginning of a rest. Those in logs of older versions have no cause.
func rested(a Account, at time.Time, p event.AccountRested) Account {
	if p.Cause == "" {
		a.Since, a.By = at, p.By
		return a
	}
	if a.Since.IsZero() {
		a.Since = at
	}
	a.Phase, a.Cause, a.Until, a.Source, a.By, a.Credential = PhaseResting, p.Cause, p.Until, p.Source, p.By, p.Credential
	a.Probe, a.ProbedAt = "", time.Time{}
	a.Looks++
	if p.Source != event.SourceNone {
		a.Looks = 0
	}
	if p.Cause.Endless() && p.By != "" && !slices.Contains(a.Parked, p.By) {
		a.Parked = append(slices.Clone(a.Parked), p.By)
	}
	return a
}

// BrokenAccount returns which invariant an account violates; "" if none.
func BrokenAccount(a Account) string {
	_, due := deadline(a.Deadlines, event.DeadlineRest)
	endless := a.Cause.Endless() || a.Cause == event.RestPerson && a.Until.IsZero()
	switch {
	case a.Phase == PhaseResting && !due && !endless:
		return "it rests, and nothing will wake it"
	case a.Phase == PhaseResting && a.Probe != "":
		return "it rests, and an agent tries it"
	case (a.Phase == PhaseProbing || a.Phase == PhaseWaking) && due:
		return "it is tried, and rests"
	}
	return ""
}
