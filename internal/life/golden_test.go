package life

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/event"
)

// oldLog is the history of one task, and is never changed: two rounds, an answered question, an error of the service,
// a crash and a resumed conversation, a message, and an event of a future version. It represents the logs on users'
// disks. If this test fails, Apply must be fixed and not the log.
const (
	oldLog  = "testdata/log-v1.jsonl"
	oldTask = "testdata/task-v1.json"
)

func readLog(t *testing.T) []event.Event {
	t.Helper()
	b, err := os.ReadFile(oldLog)
	if err != nil {
		t.Fatal(err)
	}
	var log []event.Event
	for line := range bytes.Lines(b) {
		var e event.Event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		log = append(log, e)
	}
	if len(log) < 50 {
		t.Fatalf("%d events, want a whole history", len(log))
	}
	return log
}

func foldAll(log []event.Event) Task {
	var t Task
	for _, e := range log {
		t = Apply(t, e)
	}
	return t
}

func TestOldLogFoldsAsEver(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(oldTask)
	if err != nil {
		t.Fatal(err)
	}
	var want Task
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, foldAll(readLog(t))); d != "" {
		t.Errorf("the old log folds otherwise (-want +got):\n%s", d)
	}
}

func TestOldLogIsWrittenAsItWasRead(t *testing.T) {
	t.Parallel()
	was, err := os.ReadFile(oldLog)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, e := range readLog(t) {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	if d := cmp.Diff(string(was), b.String()); d != "" {
		t.Errorf("the old log changed on the way:\n%s", d)
	}
}

// The fold depends only on what was decided when the event was written. It depends neither on the meaning of a rule
// nor on what the rule would decide today.
func TestFoldDoesNotDependOnRules(t *testing.T) {
	t.Parallel()
	log := readLog(t)
	want := foldAll(log)
	strict := func(s event.Spec) event.Spec {
		s.Attempts, s.Respawns, s.Rounds, s.Timeout, s.WaitLimit, s.Keep = 1, 0, 0, time.Nanosecond, time.Nanosecond, time.Nanosecond
		s.Publish, s.Checks = event.PublishNone, nil
		return s
	}
	for i, e := range log {
		switch p := e.Data.(type) {
		case event.DispatchRequested:
			p.Spec = strict(p.Spec)
			log[i].Data = p
		case event.TaskMoved:
			p.Rule = "a rule of another version"
			log[i].Data = p
		}
	}
	want.Spec = strict(want.Spec)
	if d := cmp.Diff(want, foldAll(log)); d != "" {
		t.Errorf("the fold depends on rules (-want +got):\n%s", d)
	}
}

func TestStepsThatNoRuleAllowsFoldAllTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, e := range []event.Event{
		{Time: dawn, Subject: event.OfTask("t1"), Data: event.TaskMoved{From: event.Queued, To: event.InReview, Rule: "once.upon.a.time", Reason: "so"}},
		{Time: dawn, Subject: event.OfTask("t1"), Gen: 99, Data: event.GenerationStarted{Attempt: 77, Why: "whim"}},
	} {
		w.fold(e)
	}
	w.want(event.InReview, "so").wantGen(99, 77)
}
