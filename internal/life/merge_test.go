package life

import (
	"strings"
	"testing"
	"time"

	"muster/internal/event"
)

func TestMergedTaskIsCleanedAndDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, merges)
	w.queued()
	w.do(Merged{Commit: "m1"})
	w.wantOpen(event.ActClean)
	w.do(Merged{Commit: "m1"}) // told again after a crash
	w.finish(event.ActClean, event.WorktreeRemoved{})
	w.want(event.Done, "")
	if p := w.task.Published; p.Merged != "m1" || p.Commit != "c9" || w.task.Slot {
		t.Errorf("published %+v, slot %v", p, w.task.Slot)
	}
}

func TestStoppedTaskWhoseWorkIsMergedAllTheSameSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, merges)
	w.queued()
	w.write(event.StopRequested{})
	if _, waits := w.task.MergeEntry(); waits {
		t.Error("it still waits to be merged")
	}
	w.do(Merged{Commit: "m1"})
	w.finish(event.ActEnd)
	w.finish(event.ActKeep)
	w.want(event.Cancelled, ReasonStopped)
	if w.task.Published.Merged != "m1" {
		t.Error("nothing says that the base has its work")
	}
}

func TestUnmergedWorkIsToldToItsAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, merges)
	w.queued()
	results := []event.CheckResult{{Name: "test", Run: "go test", Exit: 1, Excerpt: "--- FAIL: TestBoth"}, {Name: "lint"}}
	w.do(Unmerged{Why: event.MergeRed, Branch: "main", Results: results, With: []event.TaskID{"t3"}})
	w.want(event.Queued, event.Reason(event.MergeRed))
	var told string
	for _, e := range w.log {
		if m, ok := e.Data.(event.MessageQueued); ok {
			told = m.Text
		}
	}
	for _, want := range []string{"--- FAIL: TestBoth", "t3", "git merge main", "`go test` exited with status 1"} {
		if !strings.Contains(told, want) {
			t.Errorf("the agent is not told %q:\n%s", want, told)
		}
	}
	if _, set := w.task.Deadline(event.DeadlineReview); set || w.task.Next != event.WhyFeedback {
		t.Errorf("next %q, deadlines %v", w.task.Next, w.task.Deadlines)
	}
}

func TestReturnedWorkGoesBeforeNewWork(t *testing.T) {
	t.Parallel()
	now := time.Now()
	fresh := Task{ID: "t1", State: event.Queued, DepsMet: true, Spec: event.Spec{Priority: 5}}
	back := Task{ID: "t2", State: event.Queued, DepsMet: true, Gen: 1, Next: event.WhyFeedback}
	for _, e := range Schedule(Fleet{Tasks: []Task{fresh, back}, Slots: 1}, now) {
		if _, ok := e.Data.(event.SlotGranted); ok && e.Task != "t2" {
			t.Errorf("%s got the slot", e.Task)
		}
	}
}

func TestWorkGoesIntoItsQueueOnceAndLeavesItWithItsTask(t *testing.T) {
	t.Parallel()
	w := newWorld(t, merges)
	w.queued()
	q := Queue{ID: QueueOf(w.task)}
	in := QueueInput(q, w.task)
	events, _, _ := DecideQueue(q, in, false, w.now)
	for _, e := range events {
		q = ApplyQueue(q, e)
	}
	if in := QueueInput(q, w.task); in != nil || len(q.Entries) != 1 {
		t.Fatalf("told again %v, entries %v", in, q.Entries)
	}
	w.write(event.StopRequested{})
	in = QueueInput(q, w.task)
	if leave, ok := in.(MergeLeave); !ok || leave.Task != w.task.ID {
		t.Errorf("told %v", in)
	}
}
