package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/boot"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fleet"
)

// slowFile is where a test writes how long a supervisor takes to adopt one agent; "hang" is for ever.
func slowFile(home string) string { return filepath.Join(home, "test-slow") }

// slowStart returns what makes a supervisor slow, or nil.
func slowStart(home string) func(fleet.Config) fleet.Config {
	data, err := os.ReadFile(slowFile(home))
	if err != nil {
		return nil
	}
	return func(c fleet.Config) fleet.Config {
		tell := c.Adopting
		c.Adopting = func(done, of int) {
			tell(done, of)
			if pause, err := time.ParseDuration(string(data)); err == nil {
				time.Sleep(pause)
				return
			}
			<-(chan int)(nil)
		}
		return c
	}
}

// upWithin is `muster up` with another limit for a start without progress. It also returns what a person is told.
func (f *Fleet) upWithin(limit time.Duration) (said []string, err error) {
	f.t.Helper()
	path, err := program()
	if err != nil {
		f.t.Fatal(err)
	}
	var mu sync.Mutex
	c := f.caller(path)
	c.StartLimit = limit
	c.Say = func(line string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, line)
	}
	fl, err := boot.Open(c)
	if err != nil {
		f.t.Fatal(err)
	}
	_, err = fl.Up(f.t.Context())
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(said), err
}

func TestUp_WaitsForASupervisorThatGetsOn(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(5)
	f.must("down")
	f.write(slowFile(f.home), "2500ms")
	began := time.Now()
	said, err := f.upWithin(6 * time.Second) // the whole start takes twice as long
	if err != nil {
		t.Fatalf("after %s: %v", time.Since(began), err)
	}
	if !slices.ContainsFunc(said, func(l string) bool { return strings.Contains(l, "adopting agents (") && strings.Contains(l, " of 5)") }) {
		t.Errorf("a person who waits was told %q", said)
	}
	f.oneOfEach()
	if err := os.Remove(slowFile(f.home)); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		f.release(id, "go-on")
	}
	for _, id := range ids {
		f.reaches(id, event.Done)
	}
}

func TestUp_GivesUpASupervisorThatHangsAndTheKeeperReplacesIt(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(1)
	f.must("down")
	f.write(slowFile(f.home), "hang")
	f.write(hurryFile(f.home), "") // the keeper's minutes are short
	began := time.Now()
	_, err := f.upWithin(5 * time.Second)
	if fault.CodeOf(err) != fault.Timeout || !strings.Contains(err.Error(), "adopting agents (0 of 1)") || !strings.Contains(fault.HintOf(err), "supervisor.log") {
		t.Fatalf("after %s: %v, hint %q", time.Since(began), err, fault.HintOf(err))
	}
	if err := os.Remove(slowFile(f.home)); err != nil {
		t.Fatal(err)
	}
	f.eventually("a supervisor adopts the agent", func() bool { s, _ := f.status(); return s.Healthy && s.Judged == 1 })
	if log, err := os.ReadFile(f.home + "/supervisor.log"); err != nil || !strings.Contains(string(log), "slowStart") {
		t.Errorf("the log does not say where the supervisor hung: %v\n%s", err, log)
	}
	f.release(ids[0], "go-on")
	f.reaches(ids[0], event.Done)
}

// TestAPaneThatIsStoppedHoldsNobody presses Ctrl-S in the supervisor's pane, as a person does who wants to read it.
// From then on nothing that is written to this terminal is taken.
func TestAPaneThatIsStoppedHoldsNobody(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(1)
	f.tmux("send-keys", "-t", "=muster:", "C-s")
	before := f.only("supervise")
	f.kill(before) // the keeper reports it in the pane
	f.eventually("another supervisor runs", func() bool {
		all := f.playing("supervise")
		return len(all) == 1 && all[0] != before
	})
	f.release(ids[0], "go-on")
	f.reaches(ids[0], event.Done)
}
