package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/store"
)

func lists(t *testing.T, b *bench) {
	old, gone, working, lately := b.dispatch(t, "old"), b.dispatch(t, "gone"), b.dispatch(t, "working"), b.dispatch(t, "lately")
	b.add(t, old, 0, event.TaskMoved{To: event.Done})
	b.add(t, gone, 0, event.TaskMoved{To: event.Done}, event.TaskRemoved{})
	b.clock.Advance(25 * time.Hour)
	b.add(t, working, 1, event.TaskMoved{To: event.Working})
	b.add(t, lately, 1, event.TaskMoved{To: event.Failed})
	for _, c := range []struct {
		filter store.ListFilter
		want   []event.TaskID
	}{
		{store.ListFilter{}, []event.TaskID{working, lately}},
		{store.ListFilter{All: true}, []event.TaskID{old, gone, working, lately}},
		{store.ListFilter{States: []event.State{event.Working, event.Done}}, []event.TaskID{working}},
		{store.ListFilter{All: true, States: []event.State{event.Failed}}, []event.TaskID{lately}},
		{store.ListFilter{Now: b.clock.Now().Add(48 * time.Hour)}, []event.TaskID{working}},
	} {
		var got []event.TaskID
		list := must(b.List(t.Context(), c.filter))(t)
		raw := must(b.ListJSON(t.Context(), c.filter))(t)
		for i, s := range list {
			got = append(got, s.ID)
			doc, err := json.Marshal(s)
			if err != nil || string(doc) != string(raw[i]) {
				t.Errorf("JSON differs: %s, %s, %v", doc, raw[i], err)
			}
		}
		same(t, fmt.Sprintf("list %+v", c.filter), got, c.want)
	}
	same(t, "counts", must(b.Counts(t.Context()))(t), map[event.State]int{event.Done: 1, event.Working: 1, event.Failed: 1})
}

func messages(t *testing.T, b *bench) {
	id, other := b.dispatch(t, "a"), b.dispatch(t, "b")
	start := b.clock.Now()
	b.add(t, id, 1, event.GenerationStarted{Attempt: 1, Why: event.WhyFirst, Conversation: "c"},
		event.AgentLaunched{Process: event.ProcessRef{PID: 7}, Session: "t1-a"})
	b.clock.Advance(time.Minute)
	later := b.clock.Now()
	b.add(t, id, 0, event.SendRequested{Message: "m1", Text: "one"}, event.AnswerRequested{Text: "no message yet"},
		event.MessageQueued{Message: "m3", Text: "three", Why: event.WhyFeedback})
	b.add(t, id, 1, event.MessageMoved{Message: "m3", To: event.MessageUnknown, Evidence: "died"}, event.AgentExited{Cause: event.CauseOwn, Exit: 3, Known: true})
	b.add(t, id, 2, event.GenerationStarted{Attempt: 2, Why: event.WhyCrash}, event.AgentExited{Cause: event.CauseLost})
	b.add(t, other, 1, event.GenerationStarted{Attempt: 1, Why: event.WhyFirst})
	three := 3
	same(t, "attempts", must(b.Attempts(t.Context(), id))(t), []store.AttemptRow{
		{
			Gen: 1, Attempt: 1, Why: event.WhyFirst, Conversation: "c", StartedAt: start, LaunchedAt: start, PID: 7, Session: "t1-a",
			ExitedAt: later, Cause: event.CauseOwn, Exit: &three,
		},
		{Gen: 2, Attempt: 2, Why: event.WhyCrash, StartedAt: later, ExitedAt: later, Cause: event.CauseLost},
	})
	same(t, "messages", must(b.Messages(t.Context(), id))(t), []store.MessageRow{
		{ID: "m1", State: event.MessageWaiting, Why: event.WhyMessage, At: later, ChangedAt: later, Text: "one"},
		{ID: "m3", State: event.MessageUnknown, Why: event.WhyFeedback, Gen: 1, At: later, ChangedAt: later, Evidence: "died", Text: "three"},
	})
	same(t, "text", must(b.MessageText(t.Context(), id, "m3"))(t), "three")
	list := must(b.List(t.Context(), store.ListFilter{}))(t)
	same(t, "open messages", list[0].MessagesOpen, 1)
}

func roundsRead(t *testing.T, b *bench) {
	id := b.dispatch(t, "a")
	round := event.RoundFinished{Round: 1, Tree: "abc", Results: []event.CheckResult{{Name: "test", Exit: 1}}}
	b.add(t, id, 1, event.TaskMoved{To: event.Checking}, round, event.RoundFinished{Void: "moved"})
	got := must(b.Rounds(t.Context(), id))(t)
	same(t, "rounds", got, []store.RoundRow{
		{Seq: 3, Time: b.clock.Now(), Gen: 1, RoundFinished: round},
		{Seq: 4, Time: b.clock.Now(), Gen: 1, RoundFinished: event.RoundFinished{Void: "moved"}},
	})
}

func fleet(t *testing.T, b *bench) {
	same(t, "empty", must(b.Fleet(t.Context()))(t), store.FleetRow{})
	now := b.clock.Now()
	b.request(t, func(tx *store.Tx) error {
		return appendAll(tx, "", 0, event.DownRequested{Mode: event.DownDrain}, event.GateClosed{Reason: "disk"},
			event.SupervisorStarted{PID: 5, Version: "v1", Boot: "b"}, event.ServerChanged{PID: 9, Started: now, Version: "3.4"})
	})
	want := store.FleetRow{
		Down: true, Mode: event.DownDrain, Gate: "disk",
		Supervisor: store.SupervisorRow{PID: 5, Version: "v1", Boot: "b", At: now},
		Server:     store.ServerRow{PID: 9, Started: now, Version: "3.4"},
	}
	same(t, "down", must(b.Fleet(t.Context()))(t), want)
	b.clock.Advance(time.Second)
	update(t, b.writer(t), func(tx *store.Tx) error {
		return appendAll(tx, "", 0, event.UpRequested{}, event.GateOpened{}, event.SupervisorStopped{Why: "told to"}, event.HostSlept{})
	})
	want.Down, want.Mode, want.Gate = false, "", ""
	want.Supervisor.StoppedAt, want.Supervisor.Stopped, want.SleptAt = b.clock.Now(), "told to", b.clock.Now()
	same(t, "up", must(b.Fleet(t.Context()))(t), want)
}

func events(t *testing.T, b *bench) {
	id, other := b.dispatch(t, "a"), b.dispatch(t, "b")
	b.request(t, func(tx *store.Tx) error {
		for range 600 { // more than two pages
			if err := appendAll(tx, id, 1, event.SlotGranted{}, event.SlotReleased{}); err != nil {
				return err
			}
		}
		return appendAll(tx, other, 1, event.Unknown{Name: "moon.landed", Raw: json.RawMessage(`{"x":[1,2]}`)})
	})
	all := b.all(t, store.EventFilter{})
	same(t, "count", len(all), 1203)
	for i, e := range all {
		if e.Seq != int64(i+1) || !e.Time.Equal(b.clock.Now()) {
			t.Fatalf("event %d has seq %d and time %v", i, e.Seq, e.Time)
		}
	}
	same(t, "of a task", kinds(b.all(t, store.EventFilter{Task: other})), []event.Kind{"dispatch.requested", "moon.landed"})
	same(t, "a limit over pages", len(b.all(t, store.EventFilter{Limit: 300})), 300)
	same(t, "a limit of a page", len(b.all(t, store.EventFilter{Limit: 256})), 256)
	same(t, "after", kinds(b.all(t, store.EventFilter{After: 1202})), []event.Kind{"moon.landed"})
	same(t, "kinds", len(b.all(t, store.EventFilter{Kinds: []event.Kind{"slot.granted", "moon.landed"}})), 601)
	newest := b.all(t, store.EventFilter{Newest: true})
	slices.Reverse(newest)
	same(t, "the newest first, over pages", newest, all)
	same(t, "the newest", kinds(b.all(t, store.EventFilter{Newest: true, Limit: 2})), []event.Kind{"moon.landed", "slot.released"})
	same(t, "the newest of a task", kinds(b.all(t, store.EventFilter{Newest: true, Task: id, Limit: 1})), []event.Kind{"slot.released"})
	same(t, "before", b.all(t, store.EventFilter{After: 4, Before: 7}), all[4:6])
	same(t, "the newest before", b.all(t, store.EventFilter{Before: 600, Newest: true, Limit: 1}), all[598:599])
	n := 0
	for _, err := range b.Events(t.Context(), store.EventFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 3 {
			break
		}
	}
	b.dispatch(t, "c") // a reader that has stopped does not block a writer
}

func histories(t *testing.T, b *bench) {
	w := b.writer(t)
	rapid.Check(t, func(r *rapid.T) {
		for range rapid.IntRange(1, 6).Draw(r, "transactions") {
			step := func(tx *store.Tx) error { return RandomEvents(r, tx) }
			var err error
			if rapid.Bool().Draw(r, "by the supervisor") {
				err = w.Update(t.Context(), rapid.Bool().Draw(r, "durable"), step)
			} else {
				err = b.Request(t.Context(), step)
			}
			if err != nil && err.Error() != giveUp {
				r.Fatalf("transaction: %v", err)
			}
			b.clock.Advance(time.Second)
		}
		until := b.clock.Now().Add(time.Duration(rapid.IntRange(-1, 4).Draw(r, "until")) * time.Hour)
		var remembered, read, folded []byte
		if err := w.Update(t.Context(), false, func(tx *store.Tx) (err error) {
			remembered, err = json.Marshal(indexed(tx, until))
			return err
		}); err != nil {
			r.Fatal(err)
		}
		if err := b.Request(t.Context(), func(tx *store.Tx) (err error) {
			if read, err = json.Marshal(indexed(tx, until)); err == nil {
				folded, err = json.Marshal(searched(tx, until))
			}
			return err
		}); err != nil {
			r.Fatal(err)
		}
		if string(remembered) != string(read) || string(read) != string(folded) {
			r.Fatalf("the writer remembers\n%s\nthe indexes say\n%s\nand the tasks are\n%s", remembered, read, folded)
		}
		if rapid.IntRange(0, 3).Draw(r, "rebuild") > 0 {
			return
		}
		diff, err := b.Rebuild(t.Context())
		if err != nil || len(diff) > 0 {
			r.Fatalf("rebuild: %v, %q", err, diff)
		}
	})
	if diff := must(b.Rebuild(t.Context()))(t); len(diff) > 0 {
		t.Errorf("rebuild in the end: %q", diff)
	}
}

// found is what a supervisor finds among all tasks.
type found struct {
	Live            []event.TaskID
	Line, Unsettled []event.TaskID
	Due             []store.DueRow
	Timed           []event.TaskID
	Next            time.Time
}

// indexed finds it with the queries of a supervisor.
func indexed(tx *store.Tx, until time.Time) (f found) {
	for _, t := range tx.Live() {
		f.Live = append(f.Live, t.ID)
	}
	for t := range tx.Line() {
		f.Line = append(f.Line, t.ID)
	}
	unsettled, err := tx.Unsettled(1000)
	if err != nil {
		panic(err)
	}
	for _, t := range unsettled {
		f.Unsettled = append(f.Unsettled, t.ID)
	}
	f.Due, f.Timed = tx.Due(until), tx.Timed()
	if at, ok := tx.NextDue(); ok {
		f.Next = at.UTC()
	}
	return f
}

// searched finds it by examining every task.
func searched(tx *store.Tx, until time.Time) (f found) {
	all := everyTask(tx)
	states := map[event.TaskID]event.State{}
	for _, t := range all {
		states[t.ID] = t.State
	}
	var line []*life.Task
	for i, t := range all {
		switch {
		case len(t.Open) > 0, !t.Removed && (t.Slot || t.Agent.Live):
			f.Live = append(f.Live, t.ID)
		case !t.Removed && !t.State.Final() && t.State != event.Parked && !t.Waits():
			f.Live = append(f.Live, t.ID)
		}
		if t.InLine() {
			line = append(line, &all[i])
		}
		if life.Settled(t, states) {
			f.Unsettled = append(f.Unsettled, t.ID)
		}
		if t.Removed && len(t.Open) == 0 {
			continue
		}
		if len(t.Deadlines) > 0 {
			f.Timed = append(f.Timed, t.ID)
		}
		for _, d := range t.Deadlines {
			if f.Next.IsZero() || d.At.Before(f.Next) {
				f.Next = d.At.UTC()
			}
			if !d.At.After(until) {
				f.Due = append(f.Due, store.DueRow{Subject: event.OfTask(t.ID), Deadline: d})
			}
		}
	}
	slices.SortStableFunc(f.Due, func(a, b store.DueRow) int { return a.Deadline.At.Compare(b.Deadline.At) })
	slices.SortFunc(line, life.CompareLine)
	for _, t := range line {
		f.Line = append(f.Line, t.ID)
	}
	return f
}
