package life

import (
	"slices"
	"time"

	"muster/internal/event"
)

// Decide makes every decision about one task. From the task, the input and the caller's clock now, it returns events
// and actions. The events contain the intent of each action, and the caller writes them before it acts. An input that
// is outdated (a late outcome, a record of an older generation) is kept as evidence or ignored.
func Decide(t Task, in Input, now time.Time) ([]event.Event, []event.Action) {
	s := &step{t: t, now: now}
	s.take(in)
	s.settle()
	return s.events, s.actions
}

// step is one decision in progress. Each event is folded at once, so that later code sees it.
type step struct {
	t       Task
	now     time.Time
	events  []event.Event
	actions []event.Action
}

func (s *step) take(in Input) {
	switch in := in.(type) {
	case Heard:
		s.heard(in.Payload)
	case Reported:
		s.reported(in)
	case Refused:
		s.emit(event.RecordRefused{Source: in.Source, Why: in.Why})
	case Flooded:
		if in.Gen == s.t.Gen {
			s.park(ruleFlooded, ReasonFlood, in.Text)
		}
	case Exited:
		s.exited(in)
	case Finished:
		s.finished(in)
	case Begun:
		s.begun(in.ID)
	case Met:
		if _, open := openAction(s.t, in.Job.Action); open {
			s.emit(in.Job)
		}
	case Roomy:
		s.hurry()
	case Due:
		s.due(in)
	case Slept:
		s.slept(in.Gap)
	case Hold:
		s.hold(in)
	case Release:
		s.emit(event.AccountReleased{})
	case Recall:
		s.recall()
	case Merged:
		s.merged(in)
	case Unmerged:
		s.unmerged(in)
	case Shelve:
		s.shelve()
	case ReviewEnded:
		s.reviewEnded(in)
	case Reviewed:
		s.reviewed(in)
	case Raced:
		s.raced(in)
	}
}

// heard handles requests of verbs and decisions about the fleet.
func (s *step) heard(p event.Payload) {
	if _, granted := p.(event.SlotGranted); !granted {
		s.hurry()
	}
	switch p := p.(type) {
	case event.SlotGranted:
		s.slotGranted()
	case event.DepsMet:
		if s.t.State == event.Blocked {
			s.move(ruleDepsMet, "", "")
		}
	case event.DepsFailed:
		if s.t.State == event.Queued || s.t.State == event.Blocked {
			s.park(ruleDepsFailed, ReasonDependency, string(p.On)+" is "+stateText(p.State))
		}
	case event.SendRequested:
		if _, spent := s.t.OverBudget(); s.t.State == event.Parked && (!spent || s.t.Reason != ReasonBudget) {
			s.back(event.WhyMessage)
		}
		s.hearInReview()
	case event.AnswerRequested:
		s.answered(p)
	case event.StopRequested:
		// The agent may be dead, but what it started may live.
		if s.t.Gen > 0 && s.t.Stopping && s.t.State != event.Publishing && !s.open(event.ActStart) {
			s.endAgent()
		}
	case event.InterruptRequested:
		if s.t.Agent.Live && !s.open(event.ActInterrupt) {
			s.act(event.InterruptArgs{})
		}
	case event.RetryRequested:
		switch {
		case s.t.State == event.Parked && s.t.Reason == ReasonCI && s.t.Published != nil:
			s.reviewAgain()
		case s.t.State == event.Parked:
			s.back(event.WhyRetry)
		}
	case event.RemoveRequested:
		if !s.open(event.ActRemove) && !s.t.Removed && (s.t.State.Final() || s.t.State == event.Parked) {
			s.act(event.RemoveArgs{Force: p.Force})
		}
	case event.RestoreRequested:
		quiet := s.t.State.Final() || s.in(event.Queued, event.Blocked, event.Parked) // no agent works in the worktree
		if quiet && !s.t.Agent.Live && !s.open(event.ActRestore) {
			s.act(event.RestoreArgs{Ref: p.Ref})
		}
	}
}

// settle handles everything that depends on the present state and not on the event that led to it. It is
// level-triggered, so a lost event cannot leave a task behind.
func (s *step) settle() {
	defer s.discard()
	s.dropUnwanted()
	if s.t.State.Final() {
		s.endRest()
		s.freeSlot()
		return
	}
	defer s.clock()
	if s.t.Stopping {
		s.stop()
		if s.t.State.Final() {
			s.endRest()
		}
		return
	}
	switch {
	case s.t.Shelved:
		s.takeDown()
	case s.in(running...):
		s.clear(event.DeadlineEnd) // what is left of it waits until the task rests again
	}
	s.mindReview() // it may bring the author back to work, so what follows looks at that
	s.mindBudget()
	s.mindHold()
	switch s.t.State {
	case event.Working:
		s.drain()
		s.judge()
		s.revive()
		s.listen()
	case event.Waiting, event.Stalled:
		s.drain()
	case event.Queued, event.Blocked, event.Parked, event.InReview:
		s.endRest()
		s.freeSlot()
	default: // an action is open, and its outcome continues the task
	}
}

// emit adds an event and folds it.
func (s *step) emit(p event.Payload) { s.emitGen(s.t.Gen, p) }

func (s *step) emitGen(gen int, p event.Payload) {
	e := event.Event{Time: s.now, Subject: event.OfTask(s.t.ID), Gen: gen, Data: p}
	s.events = append(s.events, e)
	s.t = Apply(s.t, e)
}

// move changes the state by a row of the table. If the row does not fit, it changes nothing: then the caller's
// condition and the table disagree, which the property tests would find.
func (s *step) move(r rule, reason event.Reason, detail string) bool {
	tr := table[r]
	if !slices.Contains(tr.From, s.t.State) {
		return false
	}
	s.emit(event.TaskMoved{From: s.t.State, To: tr.To, Rule: string(r), Reason: reason, Detail: detail})
	return true
}

// act adds the intent of an action and returns the action to the caller of Decide.
func (s *step) act(args event.Args) {
	a := event.Action{ID: event.NewActionID(s.t.LastAction + 1), Gen: s.t.Gen, Args: args}
	s.emit(event.ActionIntended{Action: a})
	s.actions = append(s.actions, a)
}

func (s *step) in(states ...event.State) bool { return slices.Contains(states, s.t.State) }

func (s *step) open(kinds ...event.ActionKind) bool {
	return slices.ContainsFunc(s.t.Open, func(a event.Action) bool { return slices.Contains(kinds, a.Kind()) })
}

func (s *step) setDeadline(name event.DeadlineName, at time.Time, instant bool) {
	s.emit(event.DeadlineSet{Name: name, At: at, Instant: instant})
}

func (s *step) clear(names ...event.DeadlineName) {
	for _, n := range names {
		if _, ok := s.t.Deadline(n); ok {
			s.emit(event.DeadlineCleared{Name: n})
		}
	}
}

// freeSlot releases the slot when nothing of the task runs.
func (s *step) freeSlot() {
	if s.t.Slot && !s.t.Agent.Live && !s.open(event.ActStart, event.ActEnd, event.ActPrepare, event.ActCheck, event.ActPublish) {
		s.emit(event.SlotReleased{})
	}
}

// farAway is the distance of a deadline whose clock is stopped.
const farAway = 10 * 365 * 24 * time.Hour

// clock stops the clocks of the task's timeout and of its budget while its agent cannot continue, and restarts it after that: while the
// task waits for a limit, for a person or for a resource, and during a round, which may wait for its slot and whose
// commands have limits of their own.
func (s *step) clock() {
	if s.t.State.Final() {
		return
	}
	stands := s.in(event.Limited, event.Waiting, event.Checking) || s.t.AwaitsRoom()
	for _, name := range []event.DeadlineName{event.DeadlineTimeout, event.DeadlineBudget, event.DeadlineBudgetSoft} {
		d, set := s.t.Deadline(name)
		switch left := d.At.Sub(s.now); {
		case !set:
		case stands && d.Left == 0:
			s.emit(event.DeadlineSet{Name: d.Name, At: s.now.Add(farAway), Left: max(left, time.Second)})
		case !stands && d.Left > 0:
			s.setDeadline(d.Name, s.now.Add(d.Left), false)
		}
	}
}

// slept moves durations by the time that the host slept.
func (s *step) slept(gap time.Duration) {
	for _, d := range s.t.Deadlines {
		if !d.Instant && d.Left == 0 {
			s.setDeadline(d.Name, d.At.Add(gap), false)
		}
	}
}
