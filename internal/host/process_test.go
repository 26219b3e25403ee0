package host

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"

	"muster/internal/testkit/await"
)

func TestIdentifyTellsGoneFromAlive(t *testing.T) {
	t.Parallel()
	a := start(t, "sleeper", "")
	if !a.proc.Alive() {
		t.Fatal("a running process is not alive")
	}
	if err := a.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// The child is not yet reaped: its pid is still taken, but nothing runs.
	await.Until(t, "the killed child is not alive", func() bool { return !a.proc.Alive() })
	if _, err := Identify(a.proc.PID); err != nil {
		t.Errorf("Identify of a zombie: %v", err)
	}
	_ = a.cmd.Wait()
	if _, err := Identify(a.proc.PID); !errors.Is(err, ErrGone) {
		t.Errorf("Identify of a reaped process: %v, want ErrGone", err)
	}
	for _, pid := range []int{0, -1, 1 << 30} {
		if _, err := Identify(pid); !errors.Is(err, ErrGone) {
			t.Errorf("Identify(%d): %v, want ErrGone", pid, err)
		}
	}
}

func TestSignalNeverReachesALaterOwnerOfThePid(t *testing.T) {
	t.Parallel()
	a := start(t, "sleeper", "")
	before := Process{PID: a.proc.PID, Start: a.proc.Start - 1}
	if before.Alive() {
		t.Error("a process with another start time counts as alive")
	}
	if err := before.Signal(syscall.SIGKILL); !errors.Is(err, ErrGone) {
		t.Errorf("Signal = %v, want ErrGone", err)
	}
	left, err := End(t.Context(), Ending{Procs: []Process{before}})
	if err != nil || len(left) > 0 {
		t.Errorf("End = %v, %v", left, err)
	}
	if !a.proc.Alive() {
		t.Fatal("the later owner of the pid was ended")
	}
	if err := a.proc.Signal(syscall.SIGKILL); err != nil {
		t.Errorf("Signal to the right one: %v", err)
	}
	if err := a.cmd.Wait(); err == nil {
		t.Error("the right one did not end by the signal")
	}
}

func TestTreeFindsChildrenInOtherSessions(t *testing.T) {
	t.Parallel()
	a := start(t, "cleared", "")
	child := a.said(t, "child")
	parent := a.said(t, "ready")
	got, err := Tree(parent.PID)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, []Process{child}) {
		t.Errorf("Tree = %v, want %v", got, child)
	}
	if all, err := Tree(os.Getpid()); err != nil || !slices.Contains(all, child) || !slices.Contains(all, parent) {
		t.Errorf("Tree of the test = %v, %v: want %v and %v in it", all, err, parent, child)
	}
	group, err := Group(child.PID) // a session leader leads its group
	if err != nil || !slices.Equal(group, []Process{child}) {
		t.Errorf("Group = %v, %v, want %v", group, err, child)
	}
}

func TestStopped_ReportsASignalThatStops(t *testing.T) {
	t.Parallel()
	p := start(t, "sleeper", "").proc
	if p.Stopped() {
		t.Error("a running process is said to be stopped")
	}
	for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		if err := p.Signal(sig); err != nil {
			t.Fatal(err)
		}
		await.Until(t, sig.String(), func() bool { return p.Stopped() == (sig == syscall.SIGSTOP) })
	}
	if (Process{PID: p.PID, Start: p.Start + 1}).Stopped() {
		t.Error("another process with its pid is said to be stopped")
	}
}
