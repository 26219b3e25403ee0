package control

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/store"
)

// schedule makes a fleet with one schedule, whose clock the test sets.
func schedule(t *testing.T, missed string) (c *Control, now *time.Time, file string) {
	t.Helper()
	dir, state := t.TempDir(), t.TempDir()
	at := time.Date(2026, 11, 27, 1, 0, 0, 0, time.UTC)
	now = &at
	who := caller(state)
	who.Now = func() time.Time { return *now }
	repo := filepath.Join(dir, "repo")
	for _, args := range [][]string{{"init", "-q", repo}, {"-C", repo, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "--allow-empty", "-m", "x"}} {
		if out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	file = filepath.Join(dir, "nightly.toml")
	write(t, file, "[[task]]\nprompt = \"a\"\ncommand = \"true\"\nno_checks = true\n[[task]]\nname = \"b\"\nprompt = \"b\"\ncommand = \"true\"\nno_checks = true\n")
	write(t, filepath.Join(state, "config.toml"), fmt.Sprintf("[recurring.nightly]\ncron = \"0 2 * * *\"\nzone = \"UTC\"\nmissed = %q\nfile = %q\nrepo = %q\n", missed, file, repo))
	return openAs(t, who), now, file
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// recurs takes the runs that are due, and returns all runs that were taken so far.
func recurs(t *testing.T, c *Control) (out []event.RecurringRan) {
	t.Helper()
	f, err := c.fleet()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.recur(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	for e, err := range log(t, c).Events(t.Context(), store.EventFilter{Kinds: []event.Kind{event.RecurringRan{}.Kind()}}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e.Data.(event.RecurringRan))
	}
	return out
}

// tasks counts all tasks.
func tasks(t *testing.T, c *Control) int {
	t.Helper()
	all, err := Get(t.Context(), c, Tasks{All: true})
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func TestRecurring_TakesEachRunOnce(t *testing.T) {
	t.Parallel()
	c, now, _ := schedule(t, "once")
	if ran := recurs(t, c); len(ran) != 0 || tasks(t, c) != 0 {
		t.Fatalf("a new schedule has run: %+v", ran)
	}
	*now = now.Add(time.Hour)
	for range 3 { // and a supervisor that was killed after the commit looks again
		if ran := recurs(t, c); len(ran) != 1 || len(ran[0].Tasks) != 2 || ran[0].Why != "" || !ran[0].At.Equal(*now) {
			t.Fatalf("at two o'clock: %+v", ran)
		}
	}
	if n := tasks(t, c); n != 2 {
		t.Errorf("there are %d tasks", n)
	}
	*now = now.AddDate(0, 0, 3)
	if ran := recurs(t, c); len(ran) != 2 || ran[1].Skipped != 2 || tasks(t, c) != 4 {
		t.Errorf("after three days without a supervisor: %+v", ran)
	}
}

func TestRecurring_TwoSupervisorsTakeARunOnce(t *testing.T) {
	t.Parallel()
	c, now, _ := schedule(t, "once")
	recurs(t, c)
	*now = now.Add(time.Hour)
	f, err := c.fleet()
	if err != nil {
		t.Fatal(err)
	}
	other := openAs(t, c.caller)
	var wg sync.WaitGroup
	for _, c := range []*Control{c, other, c, other} {
		wg.Go(func() { _, _ = c.recur(t.Context(), f) })
	}
	wg.Wait()
	if ran := recurs(t, c); len(ran) != 1 || tasks(t, c) != 2 {
		t.Errorf("%d tasks: %+v", tasks(t, c), ran)
	}
}

func TestRecurring_AFileWithAMistakeIsNamedAndNotRepeated(t *testing.T) {
	t.Parallel()
	c, now, file := schedule(t, "all")
	recurs(t, c)
	write(t, file, "[[task]]\nprmpt = \"a\"\n")
	*now = now.Add(time.Hour)
	for range 2 {
		if ran := recurs(t, c); len(ran) != 1 || !strings.Contains(ran[0].Why, "nightly.toml") || tasks(t, c) != 0 {
			t.Fatalf("%+v", ran)
		}
	}
	write(t, file, "[[task]]\nprompt = \"a\"\ncommand = \"true\"\nno_checks = true\nafter = [\"t99\"]\n")
	*now = now.AddDate(0, 0, 1)
	if ran := recurs(t, c); len(ran) != 2 || !strings.Contains(ran[1].Why, "t99") {
		t.Errorf("a task that there is not: %+v", ran)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	f, err := c.fleet()
	if err != nil {
		t.Fatal(err)
	}
	if found := preflightRecurring(t.Context(), f); len(found) != 1 || found[0].Level != LevelError || !strings.Contains(found[0].Text, "nightly") {
		t.Errorf("preflight says %+v", found)
	}
}
