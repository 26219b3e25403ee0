package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// spent returns the processor time that a process has used, and the memory that it holds.
func spent(t *testing.T, pid int) (cpu time.Duration, rss int64) {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	pages, _ := strconv.ParseInt(fields[21], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, pages * int64(os.Getpagesize())
}

// fewTerminals starts the fleet where only that many terminals exist, and returns a function that allows more. If that
// is not permitted, it only starts the fleet.
func (f *Fleet) fewTerminals(most int) (more func(), few bool) {
	f.t.Helper()
	up := f.command("up")
	script := fmt.Sprintf(`mount -t devpts -o newinstance,ptmxmode=0666,max=%d devpts /dev/pts && mount --bind /dev/pts/ptmx /dev/ptmx && exec "$0" up`, most)
	apart := exec.Command("unshare", "-m", "sh", "-c", script, up.Path)
	apart.Dir, apart.Env = up.Dir, up.Env
	if out, err := apart.CombinedOutput(); err != nil {
		f.t.Logf("no terminals of its own (%v, %s): only that the fleet works is seen", err, out)
		f.up()
		return func() {}, false
	}
	return func() {
		f.t.Helper()
		pid := strconv.Itoa(f.server())
		if out, err := exec.Command("nsenter", "-t", pid, "-m", "mount", "-o", "remount,max=100", "/dev/pts").CombinedOutput(); err != nil {
			f.t.Fatalf("make room for terminals: %v\n%s", err, out)
		}
	}, true
}

// TestNoMoreTerminals checks that without a free terminal neither agents nor checks start, that no task is charged for
// it, and that everything goes on once one is free.
func TestNoMoreTerminals(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	room, few := f.fewTerminals(2) // the keeper's, and one agent's
	ids := f.working(1)
	pids := f.agents(ids)
	var more []event.TaskID
	for range 3 {
		more = append(more, f.dispatch("write b.txt <<b\ndone"))
	}
	if few {
		t.Logf("it says: %s", f.closed("No space left on device"))
	}
	f.release(ids[0], "go-on") // its turn ends, and the check needs a terminal
	if few {
		f.until(ids[0], "is to be checked", func(t life.Task) bool { return t.State == event.Checking })
		for _, id := range append(more, ids...) {
			f.waits(id)
		}
		if !runs(pids[0], "sim") {
			t.Error("the agent is gone")
		}
	}
	room()
	for _, id := range append(more, ids...) {
		if got := f.reaches(id, event.Done); got.Gen != 1 || got.Attempt != 1 {
			t.Errorf("%s: generation %d, attempt %d", id, got.Gen, got.Attempt)
		}
	}
	f.eventually("the gate is open again", func() bool { return f.gate() == "" })
	if few && len(payloads[event.GateClosed](f, "")) == 0 {
		t.Error("the gate was never closed")
	}
}
