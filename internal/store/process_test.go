package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/store"
)

// The test binary is also the other processes of these tests. roleEnv has their role.
const (
	roleEnv = "MUSTER_STORE_TEST_ROLE"
	pathEnv = "MUSTER_STORE_TEST_PATH"
)

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch os.Getenv(roleEnv) {
	case "":
		os.Exit(m.Run())
	case "dispatch":
		err = dispatchTwenty(ctx, os.Getenv(pathEnv))
	case "supervise":
		err = superviseForEver(ctx, os.Getenv(pathEnv))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// dispatchTwenty dispatches twenty tasks, each in a transaction, and prints their ids.
func dispatchTwenty(ctx context.Context, path string) error {
	s, err := store.Open(ctx, path, store.Options{})
	if err != nil {
		return err
	}
	for range 20 {
		var id event.TaskID
		if err := s.Request(ctx, func(tx *store.Tx) error {
			id = tx.NewTaskID()
			_, err := tx.Append(id, 0, event.DispatchRequested{Prompt: "by " + strconv.Itoa(os.Getpid())})
			return err
		}); err != nil {
			return err
		}
		fmt.Println(id)
	}
	return s.Close()
}

// superviseForEver writes as a supervisor and as verbs do until it is killed, and prints what is committed.
func superviseForEver(ctx context.Context, path string) error {
	s, err := store.Open(ctx, path, store.Options{})
	if err != nil {
		return err
	}
	w, err := s.NewWriter(ctx)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		var seq int64
		step := func(tx *store.Tx) error {
			id := tx.NewTaskID()
			for _, p := range []event.Payload{
				event.DispatchRequested{Prompt: "p"},
				event.GenerationStarted{Attempt: 1},
				event.SendRequested{Message: "m1", Text: "x"},
				event.DeadlineSet{Name: event.DeadlineStall, At: tx.Now()},
				event.TaskMoved{To: event.Working},
			} {
				if _, err := tx.Append(id, 1, p); err != nil {
					return err
				}
			}
			tx.SetOffset("log", tx.Seq())
			seq = tx.Seq()
			return nil
		}
		if i%2 == 0 {
			err = w.Update(ctx, i%4 == 0, step)
		} else {
			err = s.Request(ctx, step)
		}
		if err != nil {
			return err
		}
		fmt.Println(seq)
	}
}

// other runs this binary as another process.
func other(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+role, pathEnv+"="+path)
	return cmd
}

func TestFiftyProcessesAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	path := newPath(t) // it does not exist yet, so the processes also race to create it
	const processes, each = 50, 20
	var mu sync.Mutex
	var given []string
	var wg sync.WaitGroup
	for range processes {
		wg.Go(func() {
			cmd := other(t, "dispatch", path)
			out, err := cmd.Output()
			if err != nil {
				exit, _ := errors.AsType[*exec.ExitError](err)
				t.Errorf("a process failed: %v\n%s", err, exit.Stderr)
			}
			mu.Lock()
			defer mu.Unlock()
			for line := range lines(out) {
				given = append(given, line)
			}
		})
	}
	wg.Wait()
	slices.Sort(given)
	if unique := slices.Compact(slices.Clone(given)); len(unique) != processes*each {
		t.Errorf("%d ids were given, %d of them unique, want %d", len(given), len(unique), processes*each)
	}
	s := openAt(t, path, store.Options{})
	all, err := s.List(t.Context(), store.ListFilter{All: true})
	if err != nil || len(all) != processes*each {
		t.Errorf("%d tasks (%v), want %d", len(all), err, processes*each)
	}
	whole(t, s)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode(), err)
	}
}

func lines(out []byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for len(out) > 0 {
			i := slices.Index(out, '\n')
			if i < 0 || !yield(string(out[:i])) {
				return // the last line is incomplete, because the process was killed while it wrote
			}
			out = out[i+1:]
		}
	}
}

// whole checks the file, and that its projections are the fold of the log.
func whole(t *testing.T, s *store.Store) {
	t.Helper()
	if err := s.Verify(t.Context()); err != nil {
		t.Errorf("verify: %v", err)
	}
	diff, err := s.Rebuild(t.Context())
	if err != nil || len(diff) > 0 {
		t.Errorf("rebuild: %v, %q", err, diff)
	}
}

func TestKilledWhileItCommits(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		cmd := other(t, "supervise", path)
		pipe, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// After the first line the process commits, and can be killed at any moment.
		buf := make([]byte, 1<<16)
		n, err := pipe.Read(buf)
		if err != nil {
			t.Fatalf("the process said nothing: %v", err)
		}
		kill := time.AfterFunc(time.Duration(rand.IntN(60_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		var promised int64
		for {
			for line := range lines(buf[:n]) {
				promised, _ = strconv.ParseInt(line, 10, 64)
			}
			if n, err = pipe.Read(buf); err != nil {
				break
			}
		}
		kill.Stop()
		if err := cmd.Wait(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("it ended by itself: %v", err)
		}
		afterKill(t, path, promised)
	}
}

func afterKill(t *testing.T, path string, promised int64) {
	t.Helper()
	s := openAt(t, path, store.Options{})
	seq, err := s.LastSeq(t.Context())
	if err != nil || seq < promised || seq%5 != 0 {
		t.Errorf("last event %d (%v), want whole transactions of 5 and at least %d", seq, err, promised)
	}
	whole(t, s)
	w, err := s.NewWriter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Update(t.Context(), false, func(tx *store.Tx) error {
		if o := tx.Offset("log"); o != seq {
			t.Errorf("the offset %d is not of the last transaction %d", o, seq)
		}
		if f := len(tx.Foreign()); f != 0 && (f != 4 || !tx.Births()) {
			t.Errorf("%d foreign events, births %v; want none or those of one verb", f, tx.Births())
		}
		_, err := json.Marshal(tx.Live())
		return err
	}); err != nil {
		t.Error(err)
	}
}
