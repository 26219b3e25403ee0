package host

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mustEnd ends all selected processes, and returns how long that took.
func mustEnd(t *testing.T, e Ending) time.Duration {
	t.Helper()
	began := time.Now()
	left, err := End(t.Context(), e)
	if err != nil || len(left) > 0 {
		t.Fatalf("End left %v: %v", left, err)
	}
	return time.Since(began)
}

func TestEndIsGentleFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	said := filepath.Join(dir, "said")
	cmd := exec.Command("/bin/sh", "-c", `trap 'echo bye > "$0"; exit 0' TERM; echo ready; while :; do sleep 0.05; done`, said)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	p, err := Identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	took := mustEnd(t, Ending{Procs: []Process{p}, Grace: 20 * time.Second})
	if took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	_ = cmd.Wait()
	if b, err := os.ReadFile(said); err != nil || string(b) != "bye\n" {
		t.Errorf("SIGTERM was not given a chance: %q, %v", b, err)
	}
}

func TestEndKillsAfterTheGrace(t *testing.T) {
	t.Parallel()
	a := start(t, "stubborn", "")
	const grace = 300 * time.Millisecond
	if took := mustEnd(t, Ending{Procs: []Process{a.proc}, Grace: grace}); took < grace {
		t.Errorf("killed after %v, before the grace of %v was over", took, grace)
	}
	if a.proc.Alive() {
		t.Error("still alive")
	}
}

func TestEndReachesAStoppedProcess(t *testing.T) {
	t.Parallel()
	a := start(t, "sleeper", "")
	if err := a.proc.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if took := mustEnd(t, Ending{Procs: []Process{a.proc}, Grace: 20 * time.Second}); took > 10*time.Second {
		t.Errorf("took %v: SIGTERM waits until the process goes on", took)
	}
}

func TestEndFindsTheClearedByTheirNotedAncestry(t *testing.T) {
	t.Parallel()
	a := start(t, "cleared", "")
	child := a.said(t, "child")
	parent := a.said(t, "ready")
	decoy := start(t, "sleeper", "")
	noted, err := Tree(parent.PID)
	if err != nil {
		t.Fatal(err)
	}
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
	if !child.Alive() {
		t.Fatal("the child ended with its parent; the test shows nothing")
	}
	mustEnd(t, Ending{Procs: append(noted, parent), Grace: 10 * time.Second})
	if child.Alive() {
		t.Error("the child lives")
	}
	if !decoy.proc.Alive() {
		t.Error("the decoy was ended")
	}
}

func TestEndTakesTheTreeOfWhatItIsGiven(t *testing.T) {
	t.Parallel()
	a := start(t, "cleared", "")
	child, parent := a.said(t, "child"), a.said(t, "ready")
	mustEnd(t, Ending{Procs: []Process{parent}, Grace: 10 * time.Second})
	if child.Alive() || parent.Alive() {
		t.Error("something lives")
	}
}

func TestEndSparesItselfAndItsAncestors(t *testing.T) {
	t.Parallel()
	self, err := Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	parent, err := Identify(os.Getppid())
	if err != nil {
		t.Fatal(err)
	}
	first, err := Identify(1)
	if err != nil {
		t.Fatal(err)
	}
	a := start(t, "sleeper", "")
	mustEnd(t, Ending{Procs: []Process{self, parent, first}}) // without the protection it would get SIGKILL at once
	if !parent.Alive() || !a.proc.Alive() {
		t.Error("an ancestor, or a child of ours, was ended")
	}
}

func TestEndStopsWithItsContext(t *testing.T) {
	t.Parallel()
	a := start(t, "stubborn", "")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	left, err := End(ctx, Ending{Procs: []Process{a.proc}, Grace: time.Minute})
	if !errors.Is(err, context.DeadlineExceeded) || !slices.Equal(left, []Process{a.proc}) {
		t.Errorf("End = %v, %v", left, err)
	}
	if strings.TrimSpace(err.Error()) == "" {
		t.Error("no words")
	}
}

// TestEndKillsWhatAKilledLeaderLeftInItsGroup checks that the rest of a killed program, unlike what it started, is not told first that it
// has to end.
func TestEndKillsWhatAKilledLeaderLeftInItsGroup(t *testing.T) {
	t.Parallel()
	for _, headless := range []bool{true, false} {
		dir := t.TempDir()
		leader := start(t, "leader", dir)
		rest := leader.said(t, "ready")
		e := Ending{Procs: []Process{rest}, Grace: 20 * time.Second}
		if headless {
			e.Headless = leader.cmd.Process.Pid
		}
		mustEnd(t, e)
		if _, err := os.Stat(filepath.Join(dir, "told")); (err == nil) == headless {
			t.Errorf("headless %v: what was left was told: %v", headless, err)
		}
	}
}
