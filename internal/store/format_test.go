package store_test

import (
	"compress/gzip"
	"io"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/store"
)

// unpack writes a database of testdata to a new path.
func unpack(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name)) //nolint:gosec // of this package
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path := newPath(t)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDatabaseOfFormat1IsFoldedAgain opens a database that the last program of format 1 wrote. It has an unfinished
// task with an open action and a deadline, whose agent has ended a turn without a report how, and another task with a
// long history.
func TestDatabaseOfFormat1IsFoldedAgain(t *testing.T) {
	t.Parallel()
	s := openAt(t, unpack(t, "format-1.db.gz"), store.Options{})
	task, err := s.Task(t.Context(), "t2")
	if err != nil {
		t.Fatal(err)
	}
	if task.Agent.Turn != life.TurnUnexplained || task.State != event.Working || !task.Slot || !task.Agent.Live {
		t.Errorf("t2 is %+v", task)
	}
	if a, ok := task.Action(event.ActInterrupt); !ok || a.ID != "a1" || a.Gen != 1 {
		t.Errorf("open actions of t2: %+v", task.Open)
	}
	if _, ok := task.Deadline(event.DeadlineSettle); !ok || len(task.Deadlines) != 2 {
		t.Errorf("deadlines of t2: %+v", task.Deadlines)
	}
	if done, err := s.Task(t.Context(), "t1"); err != nil || len(done.Messages) == 0 {
		t.Errorf("t1 is %+v, %v", done, err)
	}
	if f, err := s.Fleet(t.Context()); err != nil || f.Gate != "disk" {
		t.Errorf("fleet %+v, %v", f, err)
	}
	if o, err := s.Offset(t.Context(), "status/t2.1.jsonl"); err != nil || o != 120 {
		t.Errorf("offset %d, %v", o, err)
	}
	if diff, err := s.Rebuild(t.Context()); err != nil || len(diff) > 0 {
		t.Errorf("projections are not those of the log: %v %v", diff, err)
	}
	if live, err := s.Live(t.Context()); err != nil || len(live) == 0 || live[len(live)-1].ID != "t2" {
		t.Errorf("live tasks: %v, %v", live, err)
	}
}

// TestDatabaseOfFormat3IsFoldedAgain opens a database that a program of format 3 wrote. It has a separate table for
// prompts, and no numbers of tasks.
func TestDatabaseOfFormat3IsFoldedAgain(t *testing.T) {
	t.Parallel()
	s := openAt(t, unpack(t, "format-3.db.gz"), store.Options{})
	want := map[event.State]int{event.Done: 1, event.Cancelled: 1, event.Parked: 1} // the failed one was removed
	if got, err := s.Counts(t.Context()); err != nil || !maps.Equal(got, want) {
		t.Errorf("counts are %v (%v), want %v", got, err, want)
	}
	for id, want := range map[event.TaskID]string{"t1": "first words", "t2": "second words", "t4": "fourth words"} {
		if got, err := s.Prompt(t.Context(), id); err != nil || got != want {
			t.Errorf("the prompt of %s is %q (%v), want %q", id, got, err, want)
		}
	}
	if diff, err := s.Rebuild(t.Context()); err != nil || len(diff) > 0 {
		t.Errorf("projections are not those of the log: %v %v", diff, err)
	}
}
