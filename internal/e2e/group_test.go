package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/host"
)

// TestWhatClosesEverythingEndsWithItsTask starts, from an agent, a process that leaves its session, clears its
// environment and closes every descriptor, including that of the lock. Only the task's control group identifies it.
func TestWhatClosesEverythingEndsWithItsTask(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.write(f.shared+"/agent.sh", `#!/bin/sh
(
	exec 0<&- 1>&- 2>&- 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
	exec env -i setsid sh -c 'echo $$ > "$0"; exec sleep 3607' '`+f.shared+`/daemon'
) &
while ! test -s '`+f.shared+`/daemon'; do sleep 0.05; done
echo x > a.txt
`)
	id := f.dispatchPrompt("leave a daemon", "--command", "sh "+f.shared+"/agent.sh", "--check", "test=true")
	f.reaches(id, event.Done)
	b, err := os.ReadFile(f.shared + "/daemon")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	if host.OwnCgroup() == "" { // docs/reliability.md says what is promised without a group
		if runs(pid, "sleep") {
			f.kill(pid)
		}
		return
	}
	if runs(pid, "sleep") {
		f.kill(pid)
		t.Error("the daemon outlived its task")
	}
}

// groupsLeft fails the test for control groups of the fleet's tasks.
func (f *Fleet) groupsLeft() {
	own := host.OwnCgroup()
	if own == "" {
		return
	}
	prefix, _, _ := strings.Cut(home.Dir(f.home).Cgroup("t1"), "-t1")
	left, _ := filepath.Glob(filepath.Join(own, prefix+"*"))
	for _, dir := range left {
		f.t.Errorf("a control group is left: %s", dir)
		_ = host.LeaveCgroup(dir)
	}
}
