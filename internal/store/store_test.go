package store_test

import (
	"path/filepath"
	"testing"
	"time"

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
