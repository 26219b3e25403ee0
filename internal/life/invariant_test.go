package life

import (
	"encoding/json"
	"reflect"
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

// differs compares two values. It tries the fast way first, because it is called for very many steps.
func differs[T any](want, got T) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}

// judgeStep returns what is wrong with a decision; "" if nothing is.
func judgeStep(before Task, in Input, now time.Time, events []event.Event, actions []event.Action, after Task) string {
	for _, wrong := range []func() string{
		func() string { return judgeSameAgain(before, in, now, events, actions, after) },
		func() string { return judgeFold(before, events) },
		func() string { return judgeActions(before, events, actions) },
		func() string { return Broken(after) },
		func() string { return judgeRoundTrip(after) },
	} {
		if text := wrong(); text != "" {
			return text
		}
	}
	return ""
}

// judgeSameAgain decides again: the same input must have the same outcome, and the step's own task must be the fold
// of its events.
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

// judgeFold checks the events one by one.
func judgeFold(t Task, events []event.Event) string {
	for _, e := range events {
		if text := BrokenBy(t, e); text != "" {
			return text
		}
		t = Apply(t, e)
	}
	return ""
}

// judgeActions compares the intents in the events with the returned actions.
func judgeActions(before Task, events []event.Event, actions []event.Action) string {
	var intended []event.Action
	for _, e := range events {
		switch p := e.Data.(type) {
		case event.ActionIntended:
			intended = append(intended, p.Action)
		case event.ActionPutOff: // it is returned when its pause has ended
			intended = without(intended, func(a event.Action) bool { return a.ID == p.ID })
		}
	}
	if before.PutOff != nil { // its intent is in the log already
		actions = without(actions, func(a event.Action) bool { return a.ID == before.PutOff.Action })
	}
	return differs(intended, actions)
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
