package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// Jobs that make worktrees run after all others. The jobs of one task keep their order.
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
	for w.run(t.Context(), 0); !w.idle(); w.run(t.Context(), 0) {
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

// A job that never returns is given up after its limit: its task gets an outcome, its worker and its place in the
// queue become free, and it counts as hung until it returns.
func TestWorkers_GiveUpWhatDoesNotComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		mono := func() time.Duration { return time.Since(began) }
		s := New(Config{Mono: mono})
		hangs := make(chan struct{})
		s.jobs = newWorkers(1, func(_ context.Context, j job) result {
			if j.action.Kind() == event.ActPrepare {
				<-hangs // it ignores its context
			}
			return result{job: j}
		})
		of := event.OfTask
		s.jobs.add(job{of: of("t1"), action: event.Action{ID: "a1", Args: event.PrepareArgs{}}})
		s.jobs.run(t.Context(), mono())
		s.jobs.add(job{of: of("t1"), action: event.Action{ID: "a2", Args: event.EndArgs{}}})
		s.jobs.add(job{of: of("t2"), action: event.Action{ID: "a1", Args: event.CloseArgs{}}})

		for range actLimit / lookPause {
			time.Sleep(lookPause)
			s.giveUpLost()
		}
		if s.jobs.run(t.Context(), mono()); s.jobs.busy[of("t2")] != nil {
			t.Error("a second job was begun while one worker is busy within its limit")
		}
		time.Sleep(time.Second)
		if s.jobs.run(t.Context(), mono()); s.jobs.busy[of("t2")] == nil {
			t.Error("a job that takes long keeps another task waiting")
		}
		s.takeResult(<-s.jobs.results)
		if s.giveUpLost(); len(s.pending) != 1 {
			t.Fatalf("%d outcomes before the grace is over, want that of t2", len(s.pending))
		}

		time.Sleep(lostGrace)
		s.giveUpLost()
		in, ok := s.pending[len(s.pending)-1].in.(life.Finished)
		if !ok || in.ID != "a1" || in.Failure == nil || in.Failure.Kind != life.FailRefused || !strings.Contains(in.Failure.Text, "prepare") {
			t.Fatalf("its outcome is %s", fmt.Sprint(s.pending))
		}
		if s.jobs.lost != 1 {
			t.Errorf("%d acts hang, want 1", s.jobs.lost)
		}
		s.jobs.run(t.Context(), mono())
		r := <-s.jobs.results
		if s.takeResult(r); r.job.action.ID != "a2" {
			t.Errorf("%s came after it, want a2", r.job.action.ID)
		}

		close(hangs)
		n := len(s.pending)
		s.takeResult(<-s.jobs.results)
		if len(s.pending) != n || s.jobs.lost != 0 {
			t.Errorf("what came back late is an outcome, or %d acts still hang", s.jobs.lost)
		}
	})
}

// A supervisor that was stopped, as by SIGSTOP, gives nothing up for the time that its workers were stopped, too.
func TestWorkers_TimeInWhichTheSupervisorWasStoppedDoesNotCount(t *testing.T) {
	t.Parallel()
	ends := make(chan struct{})
	w := newWorkers(1, func(ctx context.Context, j job) result {
		<-ends
		return result{job: j, facts: nil, failure: failureOf(ctx.Err())}
	})
	w.add(job{of: event.OfTask("t1"), action: event.Action{ID: "a1", Args: event.StartArgs{}}})
	w.giveUp(time.Second)
	w.run(t.Context(), time.Second)
	if lost := w.giveUp(20 * time.Minute); len(lost) != 0 {
		t.Errorf("given up: %v", lost)
	}
	close(ends)
	if r := <-w.results; r.failure != nil {
		t.Errorf("its context has ended: %s", r.failure.Text)
	}
}

// Jobs that were given up may return after the supervisor has ended. Nothing takes their results then, and they end.
func TestWorkers_JobsThatReturnAfterTheEndAreDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // it fails if a goroutine is left
		ends := make(chan struct{})
		w := newWorkers(1, func(_ context.Context, j job) result {
			<-ends
			return result{job: j}
		})
		now := time.Second
		for i := range 3 {
			w.add(job{of: event.OfTask(event.NewTaskID(i + 1)), action: event.Action{ID: "a1", Args: event.StartArgs{}}})
			w.run(t.Context(), now)
			for len(w.busy) > 0 {
				now += lookPause
				w.giveUp(now)
			}
		}
		w.wait()
		close(ends)
	})
}

func failureOf(err error) *life.Failure {
	if err == nil {
		return nil
	}
	return &life.Failure{Text: err.Error()}
}
