package boot

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/store"
)

// bins makes a state directory whose bin holds copies of these names, all of them old.
func bins(t *testing.T, names ...string) home.Dir {
	t.Helper()
	h := home.Dir(t.TempDir())
	if err := h.Create(); err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		path := filepath.Join(h.BinDir(), n)
		if err := os.WriteFile(path, []byte(n), 0o700); err != nil { //nolint:gosec // it is a program
			t.Fatal(err)
		}
		old := time.Now().Add(-2 * sweepAge)
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func TestSweepLeavesWhatIsUsed(t *testing.T) {
	t.Parallel()
	h := bins(t, "muster-now", "muster-hooked", "muster-done", "muster-young", "other")
	young := time.Now()
	if err := os.Chtimes(filepath.Join(h.BinDir(), "muster-young"), young, young); err != nil {
		t.Fatal(err)
	}
	if err := link(filepath.Join(h.BinDir(), "muster-now"), h.Program()); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), h.DB(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for id, names := range map[event.TaskID]string{"t1": "muster-hooked", "t2": "muster-done"} {
		if err := db.Request(t.Context(), func(tx *store.Tx) error {
			if _, err := tx.Append(id, 0, event.DispatchRequested{Spec: event.Spec{Name: names}}); err != nil {
				return err
			}
			to := event.Working
			if id == "t2" {
				to = event.Done
			}
			_, err := tx.Append(id, 0, event.TaskMoved{From: event.Queued, To: to})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(h.NewGen(id, 0).RO(), "deeper")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "settings.json"), []byte(`{"run": "/x/bin/`+names+` hook"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (names []string) {
		entries, err := os.ReadDir(h.BinDir())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	f := Fleet{Caller: Caller{Now: time.Now}, Home: h}
	if err := os.WriteFile(h.Upgrade(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if f.Sweep(t.Context()); len(left()) != 6 {
		t.Errorf("swept in the middle of an upgrade: %v", left())
	}
	if err := os.Remove(h.Upgrade()); err != nil {
		t.Fatal(err)
	}
	f.Sweep(t.Context())
	if want := []string{"muster-hooked", "muster-now", "muster-young", "other", "path"}; !slices.Equal(left(), want) {
		t.Errorf("left are %v, want %v", left(), want)
	}
}

func TestWhatAnUpgradeSupersededGivesWay(t *testing.T) {
	t.Parallel()
	h := bins(t, "mine", "second", "third")
	mine := filepath.Join(h.BinDir(), "mine")
	own, err := copyPath(mine, Version(), h)
	if err != nil {
		t.Fatal(err)
	}
	f := Fleet{Caller: Caller{Exe: mine}, Home: h}
	second, third := filepath.Join(h.BinDir(), "second"), filepath.Join(h.BinDir(), "third")
	program := func(want, after string) {
		t.Helper()
		got, err := f.Program()
		if err != nil || got != want {
			t.Errorf("%s: the fleet's program is %s (%v), want %s", after, got, err, want)
		}
		if to, err := os.Readlink(h.Program()); err != nil || to != want {
			t.Errorf("%s: linked to %s (%v), want %s", after, to, err, want)
		}
	}
	supersedes := func(p string) {
		t.Helper()
		if err := supersede(h, p); err != nil {
			t.Fatal(err)
		}
	}
	program(own, "up")
	supersedes(second)
	program(second, "an upgrade")
	supersedes(third)
	program(third, "another")
	supersedes(third)
	program(third, "the same once more")
	supersedes(own)
	program(own, "an upgrade to this one")
	if got := superseded(h); slices.Contains(got, filepath.Base(own)) {
		t.Errorf("superseded are %v", got)
	}
	supersedes(second)
	if err := os.Remove(second); err != nil {
		t.Fatal(err)
	}
	program(own, "the loss of the successor")
}
