package fleet

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/store"
)

// storeTx is a transaction of a real store.
type storeTx struct{ *store.Tx }

// Due implements Tx.
func (storeTx) Due(time.Time) []Due { panic("not needed") }

// TestSchedule_ReadsTheQueueByItsHead plays random fleets. The tasks that view reads must lead to the same decisions
// as all tasks together.
func TestSchedule_ReadsTheQueueByItsHead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "muster.db"), store.Options{})
		if err != nil {
			r.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		w, err := s.NewWriter(t.Context())
		if err != nil {
			r.Fatal(err)
		}
		last, slots := 0, rapid.IntRange(1, 4).Draw(r, "slots")
		for range rapid.IntRange(1, 8).Draw(r, "turns") {
			last += dispatchSome(t, r, s, last)
			if err := w.Update(t.Context(), false, func(tx *store.Tx) error { return playTurn(r, tx, last, slots) }); err != nil {
				r.Fatal(err)
			}
		}
	})
}

// dispatchSome queues a few tasks, as another process does, and returns how many.
func dispatchSome(t *testing.T, r *rapid.T, s *store.Store, last int) int {
	n := rapid.IntRange(0, 12).Draw(r, "dispatched")
	if err := s.Request(t.Context(), func(tx *store.Tx) error {
		for i := range n {
			spec := event.Spec{Name: "x", Priority: rapid.IntRange(-1, 1).Draw(r, "priority")}
			for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(r, "dependencies") {
				spec.After = append(spec.After, event.NewTaskID(rapid.IntRange(1, last+i+1).Draw(r, "after")))
			}
			if _, err := tx.Append(tx.NewTaskID(), 0, event.DispatchRequested{Spec: spec}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		r.Fatal(err)
	}
	return n
}

// playTurn ends some tasks and then schedules until there are no more decisions.
func playTurn(r *rapid.T, tx *store.Tx, last, slots int) error {
	for t := range tx.EachLive() {
		if rapid.Bool().Draw(r, "it goes on") {
			continue
		}
		to := rapid.SampledFrom([]event.State{event.Done, event.Failed, event.Cancelled, event.Parked, event.Queued}).Draw(r, "to")
		for _, p := range []event.Payload{event.SlotReleased{}, event.TaskMoved{From: t.State, To: to}} {
			if _, err := tx.Append(t.ID, 0, p); err != nil {
				return err
			}
		}
	}
	base := life.Fleet{Slots: slots, Draining: rapid.IntRange(0, 9).Draw(r, "draining") == 0}
	if rapid.IntRange(0, 9).Draw(r, "gate") == 0 {
		base.Gate = "disk"
	}
	for range 1000 {
		all := base
		all.States = map[event.TaskID]event.State{}
		for n := range last {
			t, ok, err := tx.Task(event.NewTaskID(n + 1))
			if err != nil || !ok {
				r.Fatalf("task %d: %v, %v", n+1, ok, err)
			}
			all.States[t.ID] = t.State
			if !t.State.Final() || t.Slot {
				all.Tasks = append(all.Tasks, t)
			}
		}
		head, err := view(storeTx{tx}, base, tx.Now())
		if err != nil {
			return err
		}
		got, want := life.Schedule(head, tx.Now()), life.Schedule(all, tx.Now())
		if d := cmp.Diff(want, got); d != "" {
			r.Fatalf("decisions (-by all tasks +by the head):\n%s", d)
		}
		if len(got) == 0 || got[0].Task == "" {
			return nil
		}
		for _, e := range got {
			if _, err := tx.Append(e.Task, 0, e.Data); err != nil {
				return err
			}
			t, _, err := tx.Task(e.Task)
			if err != nil {
				return err
			}
			events, _ := life.Decide(t, life.Heard{Payload: e.Data}, tx.Now())
			for _, e := range events {
				if _, err := tx.Append(e.Task, e.Gen, e.Data); err != nil {
					return err
				}
			}
		}
	}
	r.Fatal("it schedules without end")
	return nil
}
