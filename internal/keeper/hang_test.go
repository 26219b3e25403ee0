package keeper

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/internal/testkit/await"
	"muster/internal/testkit/files"
	"muster/internal/testkit/proc"
)

// hung starts a keeper whose supervisor plays as `say` tells it.
func hung(t *testing.T, say string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	files.Write(t, world(dir, "say"), say)
	proc.Start(t, proc.Role("keep", dir))
	return dir
}

func TestKeeperReplacesASupervisorThatStopsReporting(t *testing.T) {
	t.Parallel()
	dir := hung(t, "beat")
	await.Until(t, "another one is started", func() bool { return there(dir, "pids") && len(pids(t, dir)) == 2 })
	if log := files.Read(t, world(dir, "log")); !strings.Contains(log, "makes no progress") || !strings.Contains(log, errHung.Error()) {
		t.Errorf("the keeper said %q", log)
	}
	if first := proc.Identify(t, pids(t, dir)[0]); first.Alive() {
		t.Errorf("%s still runs", first)
	}
}

func TestKeeperLeavesASupervisorThatReports(t *testing.T) {
	t.Parallel()
	dir := hung(t, "beat on")
	began := time.Now()
	await.Until(t, "twice the limit has passed", func() bool { return time.Since(began) > 2*looksReady*lookPause/fast })
	if n := len(pids(t, dir)); n != 1 {
		t.Errorf("%d supervisors were started, log %q", n, files.Read(t, world(dir, "log")))
	}
}

func TestKeeperReplacesASupervisorThatDoesNotGetReady(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files.Write(t, world(dir, "progress"), "0")
	files.Write(t, world(dir, "say"), "mute")
	proc.Start(t, proc.Role("keep", dir))
	await.Until(t, "it runs", func() bool { return there(dir, "pids") })
	began := time.Now()
	for i := 0; time.Since(began) < 2*looksUnborn*lookPause/fast; i++ { // it gets on for twice the limit
		files.Write(t, world(dir, "progress"), strconv.Itoa(i))
		await.Until(t, "a moment has passed", func() bool { return time.Since(began) > time.Duration(i)*lookPause/fast })
	}
	if n := len(pids(t, dir)); n != 1 {
		t.Fatalf("a supervisor that gets on was replaced: %d were started", n)
	}
	await.Until(t, "another one is started", func() bool { return len(pids(t, dir)) == 2 })
}
