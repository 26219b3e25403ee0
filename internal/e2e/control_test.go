package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
)

// frontEnd is a front end in this process, as a terminal program or a web server would be.
func (f *Fleet) frontEnd() *control.Control {
	f.t.Helper()
	path, err := program()
	if err != nil {
		f.t.Fatal(err)
	}
	c, err := control.Open(f.caller(path))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (f *Fleet) doIn(c *control.Control, cmd control.Command) control.Outcome {
	f.t.Helper()
	out, err := c.Do(f.t.Context(), cmd)
	if err != nil {
		f.t.Fatalf("%T: %v", cmd, err)
	}
	return out
}

func (f *Fleet) supervisors() int { return len(f.playing("supervise")) + len(f.playing("keep")) }

func TestControlAloneTakesTheFleetDownAndBringsItUp(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(2)
	pids := f.agents(ids)
	c := f.frontEnd()
	f.doIn(c, control.Down{})
	// The keeper would have started another supervisor within a second.
	time.Sleep(2 * time.Second)
	if n := f.supervisors(); n > 0 {
		t.Errorf("%d supervisors and keepers run after Down", n)
	}
	if out := f.doIn(c, control.Stop{Task: ids[0]}); !out.Down || f.supervisors() > 0 {
		t.Errorf("a request to a fleet that is down: %+v, %d supervisors and keepers", out, f.supervisors())
	}
	if up := f.doIn(c, control.Up{}).Up; up.Already || up.PID == 0 {
		t.Errorf("up: %+v", up)
	}
	f.reaches(ids[0], event.Cancelled)
	f.undisturbed(ids[1:], pids[1:])
	if up := f.doIn(c, control.Up{}).Up; !up.Already {
		t.Errorf("up twice: %+v", up)
	}
	f.doIn(c, control.Down{Mode: event.DownKill})
	for _, p := range f.processes() {
		t.Errorf("left running by Down: %d %v", p.pid, p.argv)
	}
}

func TestControlAloneEndsAgentsWithoutASupervisor(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.working(2)
	c := f.frontEnd()
	f.doIn(c, control.Down{})
	f.doIn(c, control.Down{Mode: event.DownKill})
	for _, p := range f.processes() {
		t.Errorf("left running by Down: %d %v", p.pid, p.argv)
	}
}

func TestControlAloneStartsAFleetForARequest(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.must("up")
	id := f.dispatch("work 10m thinking\nidle")
	f.reaches(id, event.Working)
	f.must("down", "--kill")
	if err := os.Remove(filepath.Join(f.home, "down")); err != nil {
		t.Fatal(err)
	}
	c := f.frontEnd()
	out := f.doIn(c, control.Stop{Task: id})
	if _, err := c.Await(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	f.reaches(id, event.Cancelled)
}

func TestControlAloneRefusesToLoseWork(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.up()
	id := f.dispatch("write precious.txt <<done\nidle", "--publish", "none", "--no-checks")
	f.reaches(id, event.Done)
	c := f.frontEnd()
	_, err := c.Do(t.Context(), control.Remove{Task: id})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "nowhere else") || f.task(id).Removed {
		t.Fatalf("removal of unsaved work: %v", err)
	}
	out := f.doIn(c, control.Remove{Task: id, Force: true})
	task, err := c.Await(t.Context(), out)
	if err != nil || !task.Removed || len(task.Kept) == 0 {
		t.Fatalf("removal by force: %v, removed %v, kept %v", err, task.Removed, task.Kept)
	}
	if out = f.doIn(c, control.Restore{Task: id}); out.Ref != task.Kept[len(task.Kept)-1] {
		t.Errorf("restored %q of %v", out.Ref, task.Kept)
	}
	if task, err = c.Await(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(task.Worktree, "precious.txt")); err != nil {
		t.Errorf("the work is not back: %v", err)
	}
}
