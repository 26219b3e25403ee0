package life

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/event"
)

func asJSON(v any) string {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// differs compares; the quick way first, since it is done for each of very many steps.
func differs[T any](want, got T) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}

// judgeStep says what is wrong with a decision; "" if nothing is.
func judgeStep(before Task, in Input, now time.Time, events []event.Event, actions []event.Action, after Task) string {
	for _, wrong := range []func() string{
		func() string { return judgeSameAgain(before, in, now, events, actions, after) },
		func() string { return judgeFold(before, events) },
		func() string { return judgeActions(events, actions) },
		func() string { return judgeCaps(after) },
		func() string { return judgeOpen(after) },
		func() string { return judgeSlot(after) },
		func() string { return judgeProgress(after) },
		func() string { return judgeReason(after) },
		func() string { return judgeRequest(after) },
		func() string { return judgeRoundTrip(after) },
	} {
		if text := wrong(); text != "" {
			return text
		}
	}
	return ""
}

// judgeSameAgain decides once more: the same input has the same outcome, and what the step believed is what a fold of its events gives.
func judgeSameAgain(before Task, in Input, now time.Time, events []event.Event, actions []event.Action, after Task) string {
	s := &step{t: before, now: now}
	s.take(in)
	s.settle()
	if d := differs(events, s.events); d != "" {
		return "decided otherwise the second time:\n" + d
	}
	if d := differs(actions, s.actions); d != "" {
		return "acted otherwise the second time:\n" + d
	}
	if d := differs(after, s.t); d != "" {
		return "the fold of the events is not what the step believed:\n" + d
	}
	return ""
}

// judgeFold follows the events one by one: moves match the table, and no second process is started.
func judgeFold(t Task, events []event.Event) string {
	for _, e := range events {
		switch p := e.Data.(type) {
		case event.TaskMoved:
			row, ok := table[rule(p.Rule)]
			switch {
			case !ok:
				return "no rule " + p.Rule
			case t.State.Final():
				return "a final state was left by " + p.Rule
			case p.From != t.State || !slices.Contains(row.From, p.From) || row.To != p.To:
				return fmt.Sprintf("%s moved from %s to %s in %s", p.Rule, p.From, p.To, t.State)
			}
		case event.ActionIntended:
			if p.Action.Kind == event.ActStart && (t.Agent.Live || t.Stopping || t.Shelved || t.State != event.Starting) {
				return "an agent is started beside a living one, or of a task that ends"
			}
		case event.GenerationStarted:
			if e.Gen != t.Gen+1 || p.Why == "" {
				return fmt.Sprintf("generation %d after %d, for %q", e.Gen, t.Gen, p.Why)
			}
		}
		t = Apply(t, e)
	}
	return ""
}

// judgeActions compares the intents that were written with the actions that were handed out.
func judgeActions(events []event.Event, actions []event.Action) string {
	var intended []event.Action
	for _, e := range events {
		if p, ok := e.Data.(event.ActionIntended); ok {
			intended = append(intended, p.Action)
		}
	}
	return differs(intended, actions)
}

func judgeCaps(t Task) string {
	switch {
	case t.Attempt > max(1, t.Spec.Attempts):
		return fmt.Sprintf("attempt %d of %d", t.Attempt, t.Spec.Attempts)
	case t.Gen > t.Spec.Respawns+1:
		return fmt.Sprintf("generation %d, and respawns is %d", t.Gen, t.Spec.Respawns)
	case t.Rounds.Spent > max(1, t.Spec.Rounds)+maxVoids:
		return fmt.Sprintf("%d rounds spent of %d", t.Rounds.Spent, t.Spec.Rounds)
	case t.APIErrors > maxAPIErrors+1:
		return fmt.Sprintf("%d API errors in a row", t.APIErrors)
	}
	return ""
}

func judgeOpen(t Task) string {
	kinds := map[event.ActionKind]bool{}
	for _, a := range t.Open {
		if kinds[a.Kind] {
			return "two open actions of kind " + string(a.Kind)
		}
		kinds[a.Kind] = true
	}
	sent := 0
	for _, m := range t.Messages {
		if m.State == event.MessageSending && !slices.Contains(t.Agent.Carries, m.ID) {
			sent++
		}
	}
	if sent > 1 {
		return fmt.Sprintf("%d messages are under way at once", sent)
	}
	return ""
}

func judgeSlot(t Task) string {
	switch t.State {
	case event.Preparing, event.Starting, event.Working, event.Waiting, event.Stalled, event.Checking, event.Publishing:
		if !t.Slot {
			return "it runs without a slot"
		}
	case event.Limited:
		if t.Slot {
			return "it rests with a slot"
		}
	case event.Queued, event.Blocked, event.InReview, event.Parked, event.Done, event.Failed, event.Cancelled:
		if !t.Slot && t.Agent.Live && !endsWithoutSlot(t) {
			return "a process lives without a slot"
		}
		if t.Slot && len(t.Open) == 0 {
			return "it keeps a slot that it has no use for"
		}
	}
	return ""
}

// endsWithoutSlot tells whether the agent of a task that rested without a slot is being ended.
func endsWithoutSlot(t Task) bool {
	_, ending := t.Action(event.ActEnd)
	_, starting := t.Action(event.ActStart)
	return ending || starting
}

// judgeProgress says what a task waits for in vain.
func judgeProgress(t Task) string {
	has := func(names ...event.DeadlineName) bool {
		return slices.ContainsFunc(t.Deadlines, func(d Deadline) bool { return slices.Contains(names, d.Name) })
	}
	doing := func(kinds ...event.ActionKind) bool {
		return slices.ContainsFunc(t.Open, func(a event.Action) bool { return slices.Contains(kinds, a.Kind) })
	}
	ends := t.Stopping || t.Shelved
	ok := true
	switch t.State {
	case event.Queued, event.Blocked, event.Parked:
		ok = !t.Stopping || len(t.Open) > 0
	case event.Preparing:
		ok = doing(event.ActPrepare) || ends && len(t.Open) > 0
	case event.Starting:
		ok = doing(event.ActStart, event.ActEnd) || has(event.DeadlineRestart, event.DeadlineFirstRecord) && t.Next+t.Agent.Why != "" || ends && len(t.Open) > 0
	case event.Working:
		ok = len(t.Open) > 0 || t.Agent.Live && !t.Stopping
	case event.Waiting:
		ok = has(event.DeadlineWaiting) || ends && len(t.Open) > 0
	case event.Stalled:
		ok = has(event.DeadlineStall) || ends && len(t.Open) > 0
	case event.Limited:
		ok = has(event.DeadlineAPIRetry) || t.Next == event.WhyAPI || ends && len(t.Open) > 0
	case event.Checking:
		ok = doing(event.ActCheck) || ends && len(t.Open) > 0
	case event.Publishing:
		ok = doing(event.ActPublish, event.ActEnd, event.ActClean)
	case event.InReview:
		ok = has(event.DeadlineReview) || ends && len(t.Open) > 0
	case event.Done, event.Failed, event.Cancelled:
	}
	if !ok {
		return "nothing will ever happen to it"
	}
	timed := t.State == event.Starting || t.State == event.Working || t.State == event.Waiting || t.State == event.Stalled ||
		t.State == event.Limited || t.State == event.Checking || t.State == event.Publishing
	if timed && !ends && !has(event.DeadlineTimeout) {
		return "its time has no end"
	}
	if t.Next != "" && !slices.Contains([]event.State{event.Queued, event.Preparing, event.Starting, event.Limited}, t.State) && !t.State.Final() && t.State != event.Parked {
		return "a plan for a generation stands that nobody will carry out"
	}
	return ""
}

func judgeReason(t Task) string {
	if (t.State == event.Parked || t.State == event.Failed || t.State == event.Cancelled) && t.Reason == "" {
		return "it has no reason"
	}
	return ""
}

func judgeRequest(t Task) string {
	switch {
	case t.State == event.Waiting && t.Request == nil:
		return "it waits for nothing"
	case t.State != event.Waiting && t.State != event.Parked && t.Request != nil:
		return "a request is open in " + string(t.State)
	case t.State.Final() && (t.Stopping || t.Shelved):
		return "it has ended, and is to end"
	}
	return ""
}

func judgeRoundTrip(t Task) string {
	b, err := json.Marshal(t)
	if err != nil {
		return err.Error()
	}
	var back Task
	if err := json.Unmarshal(b, &back); err != nil {
		return err.Error()
	}
	if d := differs(t, back); d != "" {
		return "JSON does not keep all of it:\n" + d
	}
	return ""
}
