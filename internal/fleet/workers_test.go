package fleet

import (
	"context"
	"slices"
	"testing"

	"muster/internal/event"
)

// While many tasks wait for their worktrees, what is there already is looked after first; within one task nothing is
// overtaken.
func TestWorktreesComeLast(t *testing.T) {
	t.Parallel()
	var order []event.TaskID
	w := newWorkers(1, func(_ context.Context, j job) result {
		order = append(order, j.of.Task+event.TaskID(":"+j.action.Kind()))
		return result{job: j}
	})
	for _, id := range []event.TaskID{"t1", "t2", "t3"} {
		w.add(job{of: event.OfTask(id), action: event.Action{Args: event.PrepareArgs{}}})
	}
	w.add(job{of: event.OfTask("t3"), action: event.Action{Args: event.EndArgs{}}})
	w.add(job{of: event.OfTask("t4"), action: event.Action{Args: event.DeliverArgs{}}})
	started := false
	for w.run(t.Context()); !w.idle(); w.run(t.Context()) {
		r := <-w.results
		w.done(r.job)
		if r.job.of.Task == "t1" && !started {
			started = true
			w.add(job{of: event.OfTask("t1"), action: event.Action{Args: event.StartArgs{}}})
		}
	}
	want := []event.TaskID{"t4:deliver", "t1:prepare", "t1:start", "t2:prepare", "t3:prepare", "t3:end"}
	if !slices.Equal(order, want) {
		t.Fatalf("%v, not %v", order, want)
	}
}
