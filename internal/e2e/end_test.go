package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
)

// runs reports whether a process of the fleet has an argument with this suffix.
func (f *Fleet) runs(arg string) bool {
	return slices.ContainsFunc(f.processes(), func(p process) bool {
		return slices.ContainsFunc(p.argv, func(a string) bool { return strings.HasSuffix(a, arg) })
	})
}

// TestEveryEndEndsEveryJob covers a running check, a check that waits for its slot, a setup that waits for its slot,
// and a running setup.
func TestEveryEndEndsEveryJob(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.userConfig("[fleet]\nmax_checks = 1\nmin_free_memory = 1\n")
	runs := f.dispatch("write a.txt <<x\ndone", "--check", "slow=sleep 300")
	f.reaches(runs, event.Checking)
	f.eventually("its check runs", func() bool { return f.runs("300") })
	waits := f.dispatch("write b.txt <<x\ndone", "--check", "slow=sleep 301")
	f.reaches(waits, event.Checking)
	setup := f.dispatch("write c.txt <<x\ndone", "--setup", "sleep 302")
	f.reaches(setup, event.Preparing)
	f.eventually("its setup waits", func() bool { return f.runs("jobs/t3/setup/spec.json") })

	for _, id := range []event.TaskID{waits, setup} {
		before := len(payloads[event.ActionIntended](f, id))
		began := time.Now()
		f.must("stop", string(id))
		f.reaches(id, event.Cancelled)
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s took %s to be stopped", id, took)
		}
		if n := len(payloads[event.ActionIntended](f, id)) - before; n > 4 {
			t.Errorf("stopping %s took %d actions", id, n)
		}
	}
	if !f.runs("300") {
		t.Error("the other task's check was ended, too")
	}
	began := time.Now()
	f.must("stop", string(runs))
	f.reaches(runs, event.Cancelled)
	if took := time.Since(began); took > 30*time.Second || f.runs("300") {
		t.Errorf("a round that runs took %s to be stopped", took)
	}
	again := f.dispatch("write d.txt <<x\ndone", "--setup", "sleep 303")
	f.eventually("a setup runs", func() bool { return f.runs("303") })
	round := f.dispatch("write a.txt <<x\ndone", "--check", "slow=sleep 304")
	f.reaches(round, event.Checking)
	f.must("down", "--kill")
	for _, p := range f.processes() {
		t.Errorf("left running by down --kill: %d %v", p.pid, p.argv)
	}
	for _, id := range []event.TaskID{round, again} {
		if got := f.task(id); got.State != event.Queued {
			t.Errorf("%s is %s", id, got.State)
		}
	}
}
