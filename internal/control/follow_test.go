package control

import (
	"context"
	"iter"
	"testing"
	"time"

	"muster/internal/event"
)

// reader reads the changes of Follow one by one.
type reader struct {
	t    *testing.T
	next func() (Change, error, bool)
}

func follow(t *testing.T, c *Control, most int) reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	next, stop := iter.Pull2(c.Follow(ctx, Follow{Most: most}))
	t.Cleanup(func() { stop(); cancel() })
	return reader{t: t, next: next}
}

// until reads changes until one passes.
func (r reader) until(ok func(Change) bool) Change {
	r.t.Helper()
	for {
		change, err, more := r.next()
		if err != nil || !more {
			r.t.Fatalf("the changes ended: %v", err)
		}
		if ok(change) {
			return change
		}
	}
}

func TestFollow_HasAllTasksFirstAndThenThoseThatChange(t *testing.T) {
	t.Parallel()
	c := open(t)
	a, b := queue(t, c, "a"), queue(t, c, "b")
	r := follow(t, c, 100)
	first := r.until(func(Change) bool { return true })
	if !first.All || len(first.Tasks) != 2 || first.Seq == 0 || first.Fleet.Tasks[event.Queued] != 2 {
		t.Fatalf("%+v", first)
	}
	happen(t, c, b, moved(event.Working))
	change := r.until(func(ch Change) bool { return len(ch.Tasks) > 0 })
	if change.All || len(change.Tasks) != 1 || change.Tasks[0].ID != b || change.Tasks[0].State != event.Working {
		t.Errorf("%+v", change)
	}
	happen(t, c, a, moved(event.Cancelled), event.TaskRemoved{})
	change = r.until(func(ch Change) bool { return len(ch.Tasks) > 0 })
	if len(change.Tasks) != 1 || change.Tasks[0].ID != a || !change.Tasks[0].Removed {
		t.Errorf("%+v", change)
	}
}

func TestFollow_ListsFewOfThoseThatWaitAndFillsTheListUp(t *testing.T) {
	t.Parallel()
	c := open(t)
	var all []event.TaskID
	for range 8 {
		all = append(all, queue(t, c, "a"))
	}
	r := follow(t, c, 4)
	first := r.until(func(Change) bool { return true })
	if len(first.Tasks) != 4 || first.Waiting != 4 {
		t.Fatalf("%d tasks, and %d more", len(first.Tasks), first.Waiting)
	}
	for _, id := range all[:3] {
		happen(t, c, id, moved(event.Working))
	}
	change := r.until(func(ch Change) bool { return ch.All })
	if len(change.Tasks) != 7 || change.Waiting != 1 {
		t.Errorf("%d tasks, and %d more", len(change.Tasks), change.Waiting)
	}
}

func TestReadersOfALogShareOneWatch(t *testing.T) {
	t.Parallel()
	c := open(t)
	id := queue(t, c, "a")
	var readers []reader
	for range 20 {
		r := follow(t, c, 10)
		r.until(func(Change) bool { return true })
		readers = append(readers, r)
	}
	c.lookout.mu.Lock()
	n, watch := c.lookout.readers, c.lookout.stopped
	c.lookout.mu.Unlock()
	if n != 20 {
		t.Errorf("%d readers", n)
	}
	happen(t, c, id, moved(event.Working))
	for _, r := range readers {
		r.until(func(ch Change) bool { return len(ch.Tasks) == 1 && ch.Tasks[0].State == event.Working })
	}
	if c.lookout.stopped != watch {
		t.Error("there was a second watch")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range c.Watch(ctx, 0, "") { //nolint:revive,errcheck // it ends at once, and leaves
	}
	if n := c.lookout.readers; n != 20 {
		t.Errorf("%d readers", n)
	}
}

func TestLookout_EndsWithItsLastReader(t *testing.T) {
	t.Parallel()
	c := open(t)
	queue(t, c, "a")
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		for range c.Follow(ctx, Follow{Most: 10}) { //nolint:errcheck // it is about the end of the watch
			cancel()
		}
		cancel()
		select {
		case <-c.lookout.stopped:
		default:
			t.Fatal("the watch goes on")
		}
	}
}

func TestMarkSeen_HoldsForEveryFrontEndAndIsNoEvent(t *testing.T) {
	t.Parallel()
	c := open(t)
	id := queue(t, c, "a", moved(event.Done))
	seq := newest(t, c).Seq
	r := follow(t, c, 10)
	first := r.until(func(Change) bool { return true })
	changed := *first.Tasks[0].ChangedAt
	if _, seen := first.Seen[id]; seen {
		t.Error("somebody has looked at it")
	}
	if err := c.MarkSeen(t.Context(), id, changed); err != nil {
		t.Fatal(err)
	}
	again := follow(t, c, 10).until(func(Change) bool { return true })
	if got := again.Seen[id]; !got.Equal(changed) {
		t.Errorf("seen as of %s, want %s", got, changed)
	}
	if got := newest(t, c).Seq; got != seq {
		t.Errorf("the log has %d events, had %d", got, seq)
	}
	if err := c.MarkSeen(t.Context(), "t99", changed); err == nil {
		t.Error("a task that does not exist was looked at")
	}
}

func TestNight_HasALaneForEachTaskThatDidSomething(t *testing.T) {
	t.Parallel()
	c := open(t)
	worked := queue(t, c, "a", event.TaskMoved{From: event.Queued, To: event.Working}, event.TaskMoved{From: event.Working, To: event.Done})
	queue(t, c, "b")
	line, err := Get(t.Context(), c, Night{Since: time.Now().Add(-time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if len(line.Lanes) != 1 || line.Lanes[0].Task != worked || len(line.Lanes[0].Spans) != 3 {
		t.Errorf("%+v", line.Lanes)
	}
}
