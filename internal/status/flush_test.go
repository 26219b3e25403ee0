package status

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"muster/internal/event"
)

func TestFlushReturnsOnlyWhenTheLastWordsAreOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := New(dir, filepath.Join(dir, "wake"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { done <- w.Serve(ctx) }()
	path := filepath.Join(dir, "t1.1.jsonl")
	w.Add(Source{Task: "t1", Gen: 1, Name: "status", Path: path})
	for range 50 {
		if err := Append(path, event.Record{State: event.RecordDone}); err != nil {
			t.Fatal(err)
		}
		w.Flush(t.Context(), "t1", 1)
		got := 0
		for drained := false; !drained; {
			select {
			case b := <-w.Batches():
				got += len(b.Records)
			default:
				drained = true
			}
		}
		if got != 1 {
			t.Fatalf("after Flush %d records were out, want 1", got)
		}
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Serve: %v", err)
	}
}
