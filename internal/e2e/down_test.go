package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
)

func TestDownKillInMidWork(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(3)
	f.must("down", "--kill")
	for _, p := range f.processes() {
		t.Errorf("left running by down --kill: %d %v", p.pid, p.argv)
	}
	queued := f.run("dispatch", "--agent", "sim", "not yet")
	if queued.exit != 0 || !strings.Contains(queued.err, "down") || len(f.processes()) > 0 {
		t.Errorf("dispatch while down: %+v, and %v runs", queued, f.processes())
	}
	f.up()
	f.resumed(ids)
	f.reaches(event.TaskID(queued.out), event.Done)
}

func TestDownLeavesAgentsRunning(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(3)
	pids, server := f.agents(ids), f.server()
	f.must("down")
	f.eventually("supervisor and keeper are gone", func() bool { return len(f.playing("supervise"))+len(f.playing("keep")) == 0 })
	f.up()
	if f.server() != server {
		t.Error("another tmux server runs")
	}
	started := payloads[event.SupervisorStarted](f, "")
	if got := started[len(started)-1].Adopted; got != 3 {
		t.Errorf("%d agents were adopted", got)
	}
	f.undisturbed(ids, pids)
	f.oneOfEach()
}

func TestDownDrainWaits(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(2)
	pids := f.agents(ids)
	done := make(chan ran, 1)
	go func() { done <- f.run("down", "--drain") }()
	f.eventually("the fleet was told", func() bool {
		return slices.Contains(payloads[event.DownRequested](f, ""), event.DownRequested{Mode: event.DownDrain})
	})
	late := event.TaskID(f.must("dispatch", "--agent", "sim", "too late"))
	f.undisturbed(ids, pids)
	if r := <-done; r.exit != 0 {
		t.Errorf("down --drain: %+v", r)
	}
	if got := f.task(late); got.State != event.Queued {
		t.Errorf("%s is %s", late, got.State)
	}
	f.eventually("supervisor and keeper are gone", func() bool { return len(f.playing("supervise"))+len(f.playing("keep")) == 0 })
	f.up()
	f.reaches(late, event.Done)
}

// TestDownWithoutASupervisor checks that `down` ends running agents even if no supervisor runs.
func TestDownWithoutASupervisor(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	ids := f.working(2)
	f.must("down")
	f.eventually("supervisor and keeper are gone", func() bool { return len(f.playing("supervise"))+len(f.playing("keep")) == 0 })
	f.must("down", "--kill")
	for _, p := range f.processes() {
		t.Errorf("left running by down --kill: %d %v", p.pid, p.argv)
	}
	f.up()
	f.resumed(ids)
}

// TestDownAsTheKeeperStartsASupervisor checks `down` when it finds no supervisor, and one starts before it can take
// the lock.
func TestDownAsTheKeeperStartsASupervisor(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for late := range 6 { // a keeper waits for 100 ms
		f.up()
		f.kill(f.only("supervise"))
		time.Sleep(time.Duration(late) * 25 * time.Millisecond)
		f.must("down", "--kill")
		if left := f.processes(); len(left) > 0 {
			t.Errorf("left running by down --kill: %v", left)
		}
	}
}
