package storetest

import (
	"errors"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/store"
)

func foreign(t *testing.T, b *bench) {
	id := b.dispatch(t, "a")
	w := b.writer(t)
	update(t, w, func(tx *store.Tx) error {
		same(t, "first", len(tx.Foreign()), 0)
		same(t, "births", tx.Births(), true)
		return appendAll(tx, id, 1, event.SlotGranted{}, event.TaskMoved{To: event.Working})
	})
	update(t, w, func(tx *store.Tx) error {
		same(t, "own events", len(tx.Foreign()), 0)
		same(t, "births once", tx.Births(), false)
		return nil
	})
	b.add(t, id, 0, event.SendRequested{Message: "m1", Text: "hello"})
	b.add(t, id, 0, event.StopRequested{})
	other := b.dispatch(t, "b")
	seen := func(tx *store.Tx) {
		same(t, "second", kinds(tx.Foreign()), []event.Kind{"send.requested", "stop.requested"})
		same(t, "births", tx.Births(), true)
		got, _, _ := tx.Task(id)
		if !got.Stopping || !got.Slot || got.State != event.Working || len(got.Messages) != 1 || got.LastMessage != 1 {
			t.Errorf("foreign events are not folded once: %+v", got)
		}
		if _, ok, _ := tx.Task(other); !ok {
			t.Error("the new task is not there")
		}
		same(t, "live", len(tx.Live()), 1)
	}
	update(t, w, func(tx *store.Tx) error { seen(tx); return nil })
	update(t, w, func(tx *store.Tx) error {
		same(t, "third", len(tx.Foreign()), 0)
		return nil
	})
	// Events that a transaction saw without an answer are not foreign to the next supervisor either.
	update(t, b.writer(t), func(tx *store.Tx) error {
		same(t, "successor", len(tx.Foreign()), 0)
		return nil
	})
}

func foreignAgain(t *testing.T, b *bench) {
	id := b.dispatch(t, "a")
	w := b.writer(t)
	update(t, w, func(*store.Tx) error { return nil })
	b.add(t, id, 0, event.StopRequested{})
	boom := errors.New("boom")
	for range 2 {
		err := w.Update(t.Context(), false, func(tx *store.Tx) error {
			same(t, "foreign", kinds(tx.Foreign()), []event.Kind{"stop.requested"})
			return boom
		})
		if !errors.Is(err, boom) {
			t.Errorf("update: %v, want boom", err)
		}
	}
	b.add(t, id, 0, event.InterruptRequested{})
	update(t, w, func(tx *store.Tx) error {
		same(t, "foreign", kinds(tx.Foreign()), []event.Kind{"stop.requested", "interrupt.requested"})
		return nil
	})
}

func missed(t *testing.T, b *bench) {
	id := b.dispatch(t, "a")
	update(t, b.writer(t), func(tx *store.Tx) error { return appendAll(tx, id, 0, event.TaskMoved{To: event.Parked}) })
	b.add(t, id, 0, event.RetryRequested{}) // it changes nothing in the task, so only the event can be handled
	update(t, b.writer(t), func(tx *store.Tx) error {
		same(t, "foreign", kinds(tx.Foreign()), []event.Kind{"retry.requested"})
		return nil
	})
}

func twoWriters(t *testing.T, b *bench) {
	id := b.dispatch(t, "a")
	one, two := b.writer(t), b.writer(t)
	update(t, one, func(*store.Tx) error { return nil })
	update(t, two, func(*store.Tx) error { return nil })
	seen := map[*store.Writer][]int64{}
	look := func(w *store.Writer) func(tx *store.Tx) error {
		return func(tx *store.Tx) error {
			for _, e := range tx.Foreign() {
				seen[w] = append(seen[w], e.Seq)
			}
			_, err := tx.Append(id, 0, event.SlotReleased{})
			return err
		}
	}
	for range 3 { // one writes seq 2, 5, 8; a verb 3, 6, 9; two 4, 7, 10
		update(t, one, look(one))
		b.add(t, id, 0, event.StopRequested{})
		update(t, two, look(two))
	}
	update(t, one, look(one))
	same(t, "seen by one", seen[one], []int64{3, 4, 6, 7, 9, 10})
	same(t, "seen by two", seen[two], []int64{2, 3, 5, 6, 8, 9})
}

func emptyUpdate(t *testing.T, b *bench) {
	b.dispatch(t, "a")
	w := b.writer(t)
	for range 3 {
		update(t, w, func(tx *store.Tx) error {
			if !tx.Now().Equal(b.clock.Now()) || tx.Seq() != 1 {
				t.Errorf("now %v, seq %d", tx.Now(), tx.Seq())
			}
			return nil
		})
	}
	same(t, "last event", must(b.LastSeq(t.Context()))(t), int64(1))
}

func offsets(t *testing.T, b *bench) {
	w := b.writer(t)
	update(t, w, func(tx *store.Tx) error {
		same(t, "unknown", tx.Offset("f"), int64(0))
		tx.SetOffset("f", 42)
		tx.SetOffset("g", 7)
		same(t, "within", tx.Offset("f"), int64(42))
		return nil
	})
	update(t, b.writer(t), func(tx *store.Tx) error {
		same(t, "later", tx.Offset("f"), int64(42))
		return nil
	})
	update(t, w, func(tx *store.Tx) error {
		same(t, "to readers", []int64{must(b.Offset(t.Context(), "f"))(t), must(b.Offset(t.Context(), "g"))(t)}, []int64{42, 7})
		same(t, "to the next transaction", []int64{tx.Offset("f"), tx.Offset("g")}, []int64{42, 7})
		return nil
	})
}

func deadlines(t *testing.T, b *bench) {
	now := b.clock.Now()
	early, late := now.Add(time.Minute), now.Add(time.Hour)
	a, c, gone := b.dispatch(t, "a"), b.dispatch(t, "c"), b.dispatch(t, "gone")
	b.add(t, a, 0, event.DeadlineSet{Name: event.DeadlineTimeout, At: late}, event.DeadlineSet{Name: event.DeadlineStall, At: late.Add(1)})
	b.add(t, c, 0, event.TaskMoved{To: event.Done}, event.DeadlineSet{Name: event.DeadlineKeep, At: early, Instant: true})
	b.add(t, gone, 0, event.DeadlineSet{Name: event.DeadlineKeep, At: early}, event.TaskRemoved{})
	check := func(tx *store.Tx) error {
		same(t, "none yet", len(tx.Due(now)), 0)
		same(t, "due", tx.Due(late), []store.DueRow{
			{Subject: event.OfTask(c), Deadline: life.Deadline{Name: event.DeadlineKeep, At: early, Instant: true}},
			{Subject: event.OfTask(a), Deadline: life.Deadline{Name: event.DeadlineTimeout, At: late}},
		})
		at, ok := tx.NextDue()
		same(t, "next", []any{at, ok}, []any{early, true})
		if err := appendAll(tx, c, 0, event.DeadlineCleared{Name: event.DeadlineKeep}); err != nil {
			return err
		}
		at, ok = tx.NextDue()
		same(t, "next within", []any{at, ok}, []any{late, true})
		return errors.New("roll back")
	}
	w := b.writer(t)
	if b.Request(t.Context(), check) == nil || w.Update(t.Context(), false, check) == nil {
		t.Error("no roll back")
	}
	list := must(b.List(t.Context(), store.ListFilter{}))(t)
	same(t, "in the list", list[0].Deadline, &store.SummaryDeadline{Name: event.DeadlineTimeout, At: late})
}

func live(t *testing.T, b *bench) {
	for range 12 { // t10 is before t2 in alphabetical order
		b.dispatch(t, "x")
	}
	for i := range 12 {
		b.add(t, event.NewTaskID(i+1), 0, event.SlotGranted{})
	}
	b.dispatch(t, "it waits, and is not live")
	w := b.writer(t)
	liveIDs := func(tx *store.Tx) (out []event.TaskID) {
		for _, task := range tx.Live() {
			out = append(out, task.ID)
		}
		return out
	}
	want := []event.TaskID{"t1", "t2", "t4", "t5", "t6", "t7", "t8", "t9", "t10", "t11", "t12", "t14"}
	update(t, w, func(tx *store.Tx) error {
		same(t, "all", len(tx.Live()), 12)
		if err := appendAll(tx, "t3", 0, event.TaskMoved{To: event.Done}, event.SlotReleased{}); err != nil {
			return err
		}
		if err := appendAll(tx, tx.NewTaskID(), 0, event.DispatchRequested{}, event.SlotGranted{}); err != nil {
			return err
		}
		same(t, "within", liveIDs(tx), want)
		return nil
	})
	update(t, w, func(tx *store.Tx) error { same(t, "after", liveIDs(tx), want); return nil })
	var read []event.TaskID
	for _, task := range must(b.Live(t.Context()))(t) {
		read = append(read, task.ID)
	}
	same(t, "to a reader", read, want)
	b.request(t, func(tx *store.Tx) error { same(t, "by a verb", liveIDs(tx), want); return nil })
	// An open action makes a final task live again until it ends.
	update(t, w, func(tx *store.Tx) error {
		return appendAll(tx, "t3", 0, event.ActionIntended{Action: event.Action{ID: "a1", Args: event.RemoveArgs{}}})
	})
	update(t, w, func(tx *store.Tx) error {
		same(t, "back", liveIDs(tx)[2], event.TaskID("t3"))
		return appendAll(tx, "t3", 0, event.ActionFinished{ID: "a1", What: event.ActRemove}, event.TaskRemoved{})
	})
	update(t, w, func(tx *store.Tx) error { same(t, "gone", liveIDs(tx), want); return nil })
}

func ids(t *testing.T, b *bench) {
	id := b.dispatch(t, "a")
	b.add(t, id, 0, event.TaskMoved{To: event.Cancelled}, event.TaskRemoved{})
	must(b.Rebuild(t.Context()))(t)
	same(t, "after rm", b.dispatch(t, "b"), event.TaskID("t2"))
	b.request(t, func(tx *store.Tx) error {
		one, two := tx.NewTaskID(), tx.NewTaskID()
		same(t, "within one transaction", []event.TaskID{one, two}, []event.TaskID{"t3", "t4"})
		return nil
	})
}

func accounts(t *testing.T, b *bench) {
	until := b.clock.Now().Add(time.Hour)
	mine := event.OfAccount("mine")
	w := b.writer(t)
	rest := func(tx *store.Tx) error {
		for _, p := range []event.Payload{event.AccountRested{Until: until, By: "t1"}, event.DeadlineSet{Name: event.DeadlineRest, At: until, Instant: true}} {
			e, err := tx.AppendTo(mine, 0, p)
			if err != nil {
				return err
			}
			same(t, "subject", e.Subject, mine)
		}
		return nil
	}
	if err := w.Update(t.Context(), false, func(tx *store.Tx) error { return errors.Join(rest(tx), errors.New("roll back")) }); err == nil {
		t.Error("no roll back")
	}
	if err := w.Update(t.Context(), false, func(tx *store.Tx) error {
		_, known, err := tx.Account("mine")
		same(t, "known after a roll back", known, false)
		return errors.Join(err, rest(tx))
	}); err != nil {
		t.Fatal(err)
	}
	want := life.Account{ID: "mine", Since: b.clock.Now(), By: "t1", Deadlines: []life.Deadline{{Name: event.DeadlineRest, At: until, Instant: true}}}
	for name, w := range map[string]*store.Writer{"the same writer": w, "a new one": b.writer(t)} {
		if err := w.Update(t.Context(), false, func(tx *store.Tx) error {
			a, _, err := tx.Account("mine")
			same(t, name, a, want)
			same(t, "due", tx.Due(until), []store.DueRow{{Subject: mine, Deadline: want.Deadlines[0]}})
			at, ok := tx.NextDue()
			same(t, "next", []any{at, ok}, []any{until, true})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func queues(t *testing.T, b *bench) {
	at := b.clock.Now().Add(time.Hour)
	main := event.OfQueue("main@/r/.git")
	w := b.writer(t)
	entry := event.MergeEntry{Task: "t1", Commit: "c1", Tree: "tree1", Lane: "l"}
	join := func(tx *store.Tx) error {
		for _, p := range []event.Payload{event.MergeJoined{Entry: entry, Branch: "main", GitDir: "/r/.git"}, event.DeadlineSet{Name: event.DeadlineMerge, At: at}} {
			if _, err := tx.AppendTo(main, 0, p); err != nil {
				return err
			}
		}
		return nil
	}
	if err := w.Update(t.Context(), false, func(tx *store.Tx) error { return errors.Join(join(tx), errors.New("roll back")) }); err == nil {
		t.Error("no roll back")
	}
	if err := w.Update(t.Context(), false, func(tx *store.Tx) error {
		all, err := tx.Queues()
		same(t, "queues after a roll back", len(all), 0)
		return errors.Join(err, join(tx))
	}); err != nil {
		t.Fatal(err)
	}
	want := life.Queue{
		ID: main.Queue, Branch: "main", GitDir: "/r/.git", Entries: []event.MergeEntry{entry},
		Deadlines: []life.Deadline{{Name: event.DeadlineMerge, At: at}},
	}
	for name, w := range map[string]*store.Writer{"the same writer": w, "a new one": b.writer(t)} {
		if err := w.Update(t.Context(), false, func(tx *store.Tx) error {
			q, err := tx.Queue(main.Queue)
			same(t, name, q, want)
			same(t, "due", tx.Due(at), []store.DueRow{{Subject: main, Deadline: want.Deadlines[0]}})
			next, ok := tx.NextDue()
			same(t, "next", []any{next, ok}, []any{at, true})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
}
