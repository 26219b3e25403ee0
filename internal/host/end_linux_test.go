package host

import (
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"muster/internal/testkit/await"
)

// markOf returns the marker that start puts into the environment of a role.
func markOf(value string) [2]string { return [2]string{markVar, value} }

func TestEndFindsTheDoubleForkedByTheirMark(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	daemon := start(t, "daemon", dir).said(t, "ready")
	decoy := start(t, "sleeper", dir+"x") // same program, another marker
	await.Until(t, "the daemon has left its parent", func() bool {
		mine, err := Tree(os.Getpid())
		return err == nil && !slices.Contains(mine, daemon)
	})
	mustEnd(t, Ending{Mark: markOf(dir), Grace: 10 * time.Second})
	if daemon.Alive() {
		t.Error("the daemon lives")
	}
	if !decoy.proc.Alive() {
		t.Error("the decoy was ended")
	}
}

func TestEndLooksAgainForWhatWasForkedMeanwhile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := start(t, "forker", dir)
	mustEnd(t, Ending{Procs: []Process{a.proc}, Mark: markOf(dir), Grace: 10 * time.Second})
	late, err := Identify(a.pid(t, "forked"))
	if err == nil && late.Alive() {
		_ = late.Signal(syscall.SIGKILL)
		t.Error("what SIGTERM made fork lives")
	}
}
