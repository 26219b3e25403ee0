package lock_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"muster/internal/lock"
)

func TestHeld_DoesNotDisturbTake(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "alive")
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = lock.Held(path)
			}
		}
	}()
	for range 300 {
		f, err := lock.Take(path)
		if err != nil {
			t.Errorf("take: %v", err)
			break
		}
		_ = f.Close()
	}
	close(stop)
	<-done
}

func slots(t *testing.T, n int) []string {
	t.Helper()
	dir := t.TempDir()
	var out []string
	for i := range n {
		out = append(out, filepath.Join(dir, fmt.Sprintf("slot.%d", i)))
	}
	return out
}

func TestSlot_ServesInTheOrderOfArrival(t *testing.T) {
	t.Parallel()
	paths := slots(t, 1)
	held, err := lock.Slot(t.Context(), paths, func() { t.Error("the first one waits") })
	if err != nil {
		t.Fatal(err)
	}
	const n = 8
	served, done := make(chan int, n), make(chan struct{})
	var next sync.WaitGroup
	for i := range n {
		arrived := make(chan struct{})
		next.Go(func() {
			f, err := lock.Slot(t.Context(), paths, func() { close(arrived) })
			if err != nil {
				t.Error(err)
				return
			}
			served <- i
			_ = f.Close()
		})
		<-arrived
	}
	_ = held.Close()
	go func() { next.Wait(); close(done) }()
	<-done
	for i := range n {
		if got := <-served; got != i {
			t.Errorf("number %d was served in place %d", got, i)
		}
	}
	if left, err := os.ReadDir(paths[0] + ".queue"); err != nil || len(left) != 1 {
		t.Errorf("in the queue are left %v (%v)", left, err)
	}
}

func TestSlot_PassesOverDeadAndStoppedProcesses(t *testing.T) {
	t.Parallel()
	paths := slots(t, 1)
	queue := paths[0] + ".queue"
	if err := os.Mkdir(queue, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(queue, "1"), nil, 0o600); err != nil { // its process died
		t.Fatal(err)
	}
	stopped, err := lock.Try(filepath.Join(queue, "2"))
	if err != nil {
		t.Fatal(err)
	}
	defer stopped.Close() //nolint:errcheck // releases it
	past := time.Now().Add(-time.Minute)
	if err := os.Chtimes(filepath.Join(queue, "2"), past, past); err != nil {
		t.Fatal(err)
	}
	f, err := lock.Slot(t.Context(), paths, func() { t.Error("it waits") })
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}

func TestSlot_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	paths := slots(t, 2)
	for range paths {
		f, err := lock.Slot(t.Context(), paths, func() { t.Error("it waits") })
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() //nolint:errcheck // releases it
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := lock.Slot(ctx, paths, cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("Slot = %v", err)
	}
}
