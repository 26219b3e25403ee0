package life

import (
	"slices"
	"time"

	"muster/internal/event"
)

// Account returns the account that the agent of the task uses; "" if it has a choice and has not chosen yet. Tasks of
// older versions, and those without configured accounts, use the implied account of their agent.
func (t Task) Account() event.AccountID {
	if t.Uses != "" || len(t.Spec.Accounts) > 0 {
		return t.Uses
	}
	return event.AccountID(t.Spec.Agent)
}

// Until returns when the agent of a limited task is woken, as far as it is known; zero otherwise.
func (t Task) Until() time.Time {
	if t.State != event.Limited {
		return time.Time{}
	}
	if t.Held != nil {
		return t.Held.Until
	}
	d, _ := t.Deadline(event.DeadlineAPIRetry)
	return d.At
}

// Hold is an input of Decide: the account of the task rests.
type Hold struct {
	Account event.AccountID
	Held
}

// Release is an input of Decide: the account of the task no longer rests.
type Release struct{}

// Recall is an input of Decide: the account of the task may be usable again, so the task waits for its turn to be woken.
type Recall struct{}

func (Hold) input()    {}
func (Release) input() {}
func (Recall) input()  {}

// HoldOf returns the input that a task needs because of the states of its account and of the night's budget; nil if it
// needs none.
func HoldOf(t Task, a, night Account) Input {
	if t.State.Final() || t.State == event.Parked {
		return nil
	}
	of := a
	if night.Resting() && (!a.Resting() || !a.Until.IsZero() && night.outlasts(a)) {
		of = night
	}
	switch held := of.held(); {
	case of.Resting() && (t.Slot || t.State == event.Limited):
		held.Hard = a.hard() || night.hard()
		if was := t.Held; was == nil || was.Cause != held.Cause || !was.Until.Equal(held.Until) || was.Hard != held.Hard || was.Of != held.Of {
			return Hold{Account: of.ID, Held: held}
		}
	case a.Free() && night.Free() && t.Held != nil:
		return Release{}
	}
	return nil
}

// held returns what a task is told of the rest of an account.
func (a Account) held() Held {
	h := Held{Cause: a.RestCause(), Until: a.Until}
	if a.ID == event.NightBudget {
		h.Of = a.ID
	}
	return h
}

// hard reports whether agents at work are interrupted because the account rests.
func (a Account) hard() bool {
	return a.Resting() && a.Spent.Hard && a.Spent.Level == event.SpendSpent
}

// outlasts reports whether the rest of an account ends later than that of another one.
func (a Account) outlasts(b Account) bool { return a.Until.IsZero() || a.Until.After(b.Until) }

// AccountInputs returns what a decision about a task means for its account: the task before it, its input, and its
// events.
func AccountInputs(before Task, in Input, events []event.Event, probedAt time.Time) (out []Input) {
	limit := AccountLimited{Task: before.ID}
	reported, isReport := in.(Reported)
	for _, e := range events {
		switch p := e.Data.(type) {
		case event.RecordRefused:
			if p.Record != nil {
				return nil
			}
		case event.DeadlineSet:
			if p.Name == event.DeadlineAPIRetry && p.Instant {
				limit.Cause, limit.Until, limit.Source = event.RestLimit, p.At, reported.Record.UntilFrom
			}
		case event.TaskMoved:
			switch {
			case p.Rule == string(ruleAPIError) && limit.Cause == "":
				limit.Cause = shortCause(p.Reason)
			case p.Rule == string(ruleAPIEnd):
				limit.Cause = endlessCause(p.Reason)
			case p.To == event.Checking || p.To == event.Publishing || p.To == event.Done:
				out = append(out, AccountProduced{Task: before.ID})
			}
		}
	}
	if limit.Cause != "" {
		out = append(out, limit)
	}
	if isReport && len(reported.Record.Limits) > 0 && reported.Gen == before.Gen {
		out = append(out, AccountUse{Windows: reported.Record.Limits})
	}
	if isReport && reported.Gen == before.Gen && (reported.Record.Time.IsZero() || reported.Record.Time.After(probedAt)) && produced(reported.Record) {
		out = append(out, AccountProduced{Task: before.ID})
	}
	if heard, ok := in.(Heard); ok && endlessCause(before.Reason) != "" && before.State == event.Parked && returns(heard.Payload) {
		out = append(out, AccountWake{Why: event.WakePerson})
	}
	return out
}

// shortCause returns for which cause an error rests the account for a while; "" if it is not about the account.
func shortCause(reason event.Reason) event.RestCause {
	switch event.ErrorKind(reason) {
	case event.ErrorRateLimit:
		return event.RestLimit
	case event.ErrorOverloaded:
		return event.RestOverloaded
	default:
		return ""
	}
}

// endlessCause returns for which cause a parked task's account rests without end; "" if it does not.
func endlessCause(reason event.Reason) event.RestCause {
	switch reason {
	case ReasonAuth:
		return event.RestAuth
	case ReasonBilling:
		return event.RestBilling
	default:
		return ""
	}
}

// returns reports whether a request of a person brings a parked task back.
func returns(p event.Payload) bool {
	switch p.(type) {
	case event.RetryRequested, event.SendRequested:
		return true
	}
	return false
}

// produced reports whether a record proves that the service has answered. An idle agent is known from its status file
// also after an error, and one whose turn was broken off may have had no answer.
func produced(r event.Record) bool {
	switch r.State {
	case event.RecordWorking, "":
		return r.Tool != "" || r.ToolUseID != "" || r.Usage != nil
	case event.RecordIdle:
		return r.Src != event.SrcStatusFile && !r.Interrupted
	case event.RecordWaiting:
		return r.Reason != event.WaitDialog
	case event.RecordDone:
		return true
	case event.RecordError, event.RecordLimited, event.RecordLaunched, event.RecordExited:
	}
	return false
}

// ofAccount reports whether an error that ended a turn is one of the account. It does not count as the task's: a second
// limit is a new end, and no failure.
func ofAccount(r event.Record) bool {
	return r.State == event.RecordLimited || r.State == event.RecordError && r.Error == event.ErrorRateLimit
}

// hold records that the account rests. What follows is decided where the agent would get something: see rest.
func (s *step) hold(in Hold) {
	if !s.t.State.Final() {
		s.emit(event.AccountHeld{Account: in.Account, Cause: in.Cause, Until: in.Until, Hard: in.Hard})
	}
}

// rest rests a task whose account rests, instead of starting its agent or sending it something. why is the reason of the
// generation that begins when it is woken.
func (s *step) rest(why event.Why) {
	if !s.move(ruleAccountRests, event.Reason(s.t.Held.Cause), s.restText()) {
		return
	}
	s.clear(event.DeadlineFirstRecord, event.DeadlineRestart, event.DeadlineWaiting, event.DeadlineAPIRetry, event.DeadlineAck, event.DeadlineShut, event.DeadlineStall)
	s.emit(event.NextPlanned{Why: why})
	if s.t.Slot {
		s.emit(event.SlotReleased{})
	}
}

func (s *step) restText() string {
	if s.t.Held.Of == event.NightBudget {
		return "the whole fleet rests"
	}
	return "its account " + string(s.t.Account()) + " rests"
}

// recall lets a task wait for its turn, whatever end of the limit its own agent has named. One that the incident has
// parked rests like the others until it is woken.
func (s *step) recall() {
	switch {
	case s.t.State == event.Parked && endlessCause(s.t.Reason) != "" && !s.t.Removed:
		cause := endlessCause(s.t.Reason)
		s.emit(event.NextPlanned{Why: event.WhyAPI})
		s.move(ruleAccountBack, s.t.Reason, "its account may be used again")
		s.emit(event.AccountHeld{Account: s.t.Account(), Cause: cause}) // until it is woken
		if s.t.Slot {
			s.emit(event.SlotReleased{})
		}
		s.setDeadline(event.DeadlineTimeout, s.now.Add(s.t.Spec.Timeout), false)
	case s.t.State == event.Limited && s.t.Next == "" && s.t.Held != nil:
		s.clear(event.DeadlineAPIRetry)
		s.emit(event.NextPlanned{Why: event.WhyAPI})
	}
}

// holdsBack reports whether a message must not be sent now because the account of the task rests. If the agent is ready
// for it, the task rests, too.
func (s *step) holdsBack(m Message) bool {
	if s.t.Held == nil || m.State != event.MessageWaiting {
		return false
	}
	if s.t.State == event.Working && !s.t.Agent.Live {
		s.rest(m.Why)
	} else if s.t.State == event.Working && s.t.Agent.Turn.Over() {
		s.rest(event.WhyAPI)
	}
	return true
}

// choices returns the accounts that may be chosen for a task that is about to get a slot, the preferred one first. A
// conversation stays on its account, and so does a process.
func (t *Task) choices() []event.AccountID {
	fixed := t.Uses != "" && (t.Agent.Live || t.Gen > 0 && t.Spec.Traits.Resumes || t.AwaitsRoom())
	if fixed || len(t.Spec.Accounts) == 0 {
		return []event.AccountID{t.Account()}
	}
	out := make([]event.AccountID, 0, len(t.Spec.Accounts))
	for _, a := range t.Spec.Accounts {
		out = append(out, a.Name)
	}
	return out
}

// TaskAccount returns the account that the task uses, as it was configured; false if it has none.
func (t Task) TaskAccount() (event.TaskAccount, bool) {
	i := slices.IndexFunc(t.Spec.Accounts, func(a event.TaskAccount) bool { return a.Name == t.Uses })
	if i < 0 {
		return event.TaskAccount{}, false
	}
	return t.Spec.Accounts[i], true
}
