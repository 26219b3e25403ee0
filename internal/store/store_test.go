package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/store"
	"muster/internal/store/storetest"
)

// openAt opens a log and closes it with the test.
func openAt(t testing.TB, path string, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), path, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "muster.db") }

func TestFileKeepsItsPromises(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, now func() time.Time) storetest.Log {
		return openAt(t, newPath(t), store.Options{Now: now})
	})
}

func TestMemoryKeepsTheSamePromises(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(_ *testing.T, now func() time.Time) storetest.Log {
		return storetest.OpenMemory(now)
	})
}

// TestSeqAt_FindsTheLastEventBeforeATime checks each boundary of a log.
func TestSeqAt_FindsTheLastEventBeforeATime(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 11, 26, 20, 0, 0, 0, time.UTC)
	now := begin
	s := openAt(t, filepath.Join(t.TempDir(), "muster.db"), store.Options{Now: func() time.Time { return now }})
	at := func(after time.Duration) int64 {
		t.Helper()
		seq, err := s.SeqAt(t.Context(), begin.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	if got := at(time.Hour); got != 0 {
		t.Errorf("in an empty log: %d", got)
	}
	for i := range 7 { // at 0, 1, … 6 minutes
		now = begin.Add(time.Duration(i) * time.Minute)
		if err := s.Request(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Append("", 0, event.GateOpened{})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	for after, want := range map[time.Duration]int64{-time.Minute: 0, 0: 0, 1: 1, time.Minute: 1, 90 * time.Second: 2, 6 * time.Minute: 6, time.Hour: 7} {
		if got := at(after); got != want {
			t.Errorf("%v after the first event: %d, want %d", after, got, want)
		}
	}
}
