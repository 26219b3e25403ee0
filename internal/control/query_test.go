package control

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/lock"
	"muster/internal/store"
)

func TestTasksAreFoundByIDAndName(t *testing.T) {
	t.Parallel()
	c := open(t)
	queue(t, c, "fix")
	queue(t, c, "fix tests")
	queue(t, c, "t1")
	queue(t, c, "same")
	queue(t, c, "same")
	queue(t, c, "gone", moved(event.Done), event.TaskRemoved{})
	for ref, want := range map[string]event.TaskID{
		"t1": "t1", "t3": "t3", "fix": "t1", "fix t": "t2", "t6": "t6",
	} {
		if task, err := Get(t.Context(), c, One{ref}); err != nil || task.ID != want {
			t.Errorf("%q is %s (%v), want %s", ref, task.ID, err, want)
		}
	}
	for ref, want := range map[string]fault.Code{
		"fi": fault.Usage, "same": fault.Usage, "": fault.Usage, " ": fault.Usage, "t99": fault.NotFound,
		"nobody": fault.NotFound, "gone": fault.NotFound, "*": fault.NotFound,
	} {
		if _, err := Get(t.Context(), c, One{ref}); !fault.Is(err, want) || fault.HintOf(err) == "" {
			t.Errorf("%q: %v, want %s and a hint", ref, err, want)
		}
	}
	if _, err := Get(t.Context(), c, One{"fi"}); err == nil || !strings.Contains(err.Error(), `t1 "fix", t2 "fix tests"`) {
		t.Errorf("what it could be is not listed: %v", err)
	}
}

func TestListsAreTheSameAsJSON(t *testing.T) {
	t.Parallel()
	c := open(t)
	queue(t, c, "a")
	queue(t, c, "b", moved(event.Working))
	for _, q := range []Tasks{{}, {All: true}, {States: []event.State{event.Working}}} {
		list, err := Get(t.Context(), c, q)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := Get(t.Context(), c, TasksJSON(q))
		if err != nil {
			t.Fatal(err)
		}
		a, _ := json.Marshal(list)
		b, _ := json.Marshal(raw)
		if string(a) != string(b) || len(list) == 0 {
			t.Errorf("%+v: %s and %s", q, a, b)
		}
	}
}

func TestDetailHoldsAllThatIsKnown(t *testing.T) {
	t.Parallel()
	c := open(t)
	id := queue(t, c, "a", event.GenerationStarted{Attempt: 1, Why: event.WhyFirst}, event.RoundFinished{Round: 1})
	if _, err := c.Do(t.Context(), Send{id, "hello"}); err != nil {
		t.Fatal(err)
	}
	d, err := Get(t.Context(), c, Detail{"a"})
	if err != nil {
		t.Fatal(err)
	}
	if d.Task.ID != id || d.Summary.ID != id || d.Prompt != "do a" || len(d.Attempts) != 1 || len(d.Rounds) != 1 ||
		len(d.Messages) != 1 || d.Messages[0].Text != "hello" {
		t.Errorf("detail %+v", d)
	}
	if _, err := Get(t.Context(), c, Detail{"t9"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("detail of nothing: %v", err)
	}
}

func TestEventsAreFiltered(t *testing.T) {
	t.Parallel()
	c := open(t)
	queue(t, c, "a", moved(event.Working))
	queue(t, c, "b")
	for _, q := range []struct {
		Events
		want []int64
	}{
		{Events{}, []int64{1, 2, 3}},
		{Events{After: 1, Limit: 1}, []int64{2}},
		{Events{Task: "a"}, []int64{1, 2}},
		{Events{Kinds: []event.Kind{"dispatch.requested"}}, []int64{1, 3}},
	} {
		all, err := Get(t.Context(), c, q.Events)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for e, err := range all {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Seq)
		}
		if d := cmp.Diff(q.want, got); d != "" {
			t.Errorf("%+v (-want +got):\n%s", q.Events, d)
		}
	}
	if _, err := Get(t.Context(), c, Events{Task: "nobody"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("events of nobody: %v", err)
	}
}

func TestHealthTellsWhetherASupervisorRuns(t *testing.T) {
	t.Parallel()
	c := open(t)
	queue(t, c, "a")
	queue(t, c, "b", moved(event.Working))
	if _, err := c.Do(t.Context(), Down{Mode: event.DownDrain}); err != nil {
		t.Fatal(err)
	}
	h, err := Get(t.Context(), c, Health{})
	if err != nil {
		t.Fatal(err)
	}
	want := FleetHealth{
		Fleet:  store.FleetRow{Down: true, Mode: event.DownDrain},
		Counts: map[event.State]int{event.Queued: 1, event.Working: 1}, LastSeq: 4,
	}
	if d := cmp.Diff(want, h); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	held, err := lock.Take(c.Home().Lock())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release(held)
	if h, err := Get(t.Context(), c, Health{}); err != nil || !h.Running {
		t.Errorf("with its lock held: %+v, %v", h, err)
	}
}

// watched returns the sequence numbers that a watch yields, in order.
func watched(t *testing.T, c *Control, from int64, task event.TaskID) (seqs <-chan int64, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, ended := make(chan int64, 100), make(chan struct{})
	go func() {
		defer close(ended)
		for e, err := range c.Watch(ctx, from, task) {
			if err != nil {
				t.Errorf("watch: %v", err)
				return
			}
			out <- e.Seq
		}
	}()
	stop = func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Error("the watch did not end with its context")
		}
	}
	t.Cleanup(stop)
	return out, stop
}

func next(t *testing.T, seqs <-chan int64, want int64) {
	t.Helper()
	select {
	case got := <-seqs:
		if got != want {
			t.Errorf("event %d, want %d", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("event %d did not come", want)
	}
}

func TestWatchFollowsTheLog(t *testing.T) {
	t.Parallel()
	c := open(t)
	queue(t, c, "a", moved(event.Working))
	all, stop := watched(t, c, 1, "")
	next(t, all, 2)
	other, err := Open(caller(string(c.Home()))) // as another process would
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	id := queue(t, other, "b")
	next(t, all, 3)
	one, _ := watched(t, c, 0, id)
	next(t, one, 3)
	happen(t, other, "t1", moved(event.Checking))
	happen(t, other, id, moved(event.Working), moved(event.Checking))
	for seq := int64(4); seq <= 6; seq++ {
		next(t, all, seq)
	}
	next(t, one, 5)
	next(t, one, 6)
	stop()
}

func TestWatchHearsOfACommitAtOnce(t *testing.T) {
	t.Parallel()
	c := open(t)
	id := queue(t, c, "a")
	all, _ := watched(t, c, 1, "")
	// The fastest of a few is measured, because a busy machine may delay one of them. It must be far below the tick.
	best := time.Hour
	for i := range 5 {
		start := time.Now()
		happen(t, c, id, moved(event.Working))
		next(t, all, int64(2+i))
		best = min(best, time.Since(start))
	}
	if best > tick/4 {
		t.Errorf("an event took %s at best, so only the tick finds it", best)
	}
}

func TestWatchWorksWithoutTheKernelsHelp(t *testing.T) {
	t.Parallel()
	h := &hinter{}
	start := time.Now()
	if !h.wait(t.Context()) || time.Since(start) < tick {
		t.Errorf("it did not wait for the tick, but %s", time.Since(start))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if h.wait(ctx) {
		t.Error("it went on although its context had ended")
	}
}
