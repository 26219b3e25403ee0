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

	"golang.org/x/sys/unix"

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
	for i := range 300 {
		take := lock.Take
		if i%2 == 0 {
			take = lock.TakeUnsigned
		}
		f, err := take(path)
		if err != nil {
			t.Errorf("take %d: %v", i, err)
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

func TestRelease_IsNotProlongedByADuplicate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	f, err := lock.TakeUnsigned(path)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := unix.Dup(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(copied) //nolint:errcheck // a duplicate
	lock.Release(f)
	if held, err := lock.Held(path); held || err != nil {
		t.Errorf("held = %v, %v", held, err)
	}
}

func TestShare_FirstIsRefusedBesideAnother(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	one, err := lock.Share(path, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Share(path, true); !errors.Is(err, lock.ErrHeld) {
		t.Errorf("a second first one: %v, want ErrHeld", err)
	}
	two, err := lock.Share(path, false)
	if err != nil {
		t.Fatal(err)
	}
	lock.Release(one)
	if _, err := lock.Share(path, true); !errors.Is(err, lock.ErrHeld) {
		t.Errorf("beside the second one: %v, want ErrHeld", err)
	}
	lock.Release(two)
	three, err := lock.Share(path, true)
	if err != nil {
		t.Fatalf("beside none: %v", err)
	}
	lock.Release(three)
}

func TestAwaitFree_ReturnsWhenTheHolderReleases(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	f, err := lock.TakeUnsigned(path)
	if err != nil {
		t.Fatal(err)
	}
	free := make(chan error, 1)
	go func() { free <- lock.AwaitFree(path) }()
	select {
	case err := <-free:
		t.Fatalf("it returned while the lock was held: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	lock.Release(f)
	if err := <-free; err != nil {
		t.Error(err)
	}
	if held, err := lock.Held(path); held || err != nil {
		t.Errorf("held = %v, %v", held, err)
	}
}

func TestWait_TakesTheFileThatOthersWillFind(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	old, err := lock.TakeUnsigned(path)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan *os.File, 1)
	go func() {
		f, err := lock.Wait(t.Context(), path)
		if err != nil {
			t.Error(err)
		}
		got <- f
	}()
	<-time.After(20 * time.Millisecond) // it waits for the old file
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	lock.Release(old)
	f := <-got
	defer lock.Release(f)
	if _, err := lock.Try(path); !errors.Is(err, lock.ErrHeld) {
		t.Errorf("another one took it, too: %v", err)
	}
}

func TestWait_ReturnsTheCauseOfItsEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	f, err := lock.TakeUnsigned(path)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release(f)
	cause := errors.New("told to stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := lock.Wait(ctx, path); !errors.Is(err, cause) {
		t.Errorf("Wait = %v, want %v", err, cause)
	}
}
