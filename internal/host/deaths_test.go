package host

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"muster/internal/testkit/await"
)

// serve runs a Deaths until the test ends.
func serve(t *testing.T) *Deaths {
	t.Helper()
	d, err := NewDeaths()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := d.Serve(t.Context()); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(func() { d.Close(); wg.Wait() })
	return d
}

func next(t *testing.T, d *Deaths) Death {
	t.Helper()
	select {
	case x := <-d.C():
		return x
	case <-time.After(20 * time.Second):
		t.Fatal("a death was not reported")
		return Death{}
	}
}

func TestFiveHundredDeathsNoneLost(t *testing.T) {
	t.Parallel()
	if err := RaiseFiles(4096); err != nil {
		t.Fatal(err)
	}
	d := serve(t)
	const n = 500
	gate, hold, err := pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmds := make([]*exec.Cmd, n)
	for i := range n {
		// Each process exits with its own status when the gate is closed. Every tenth is killed instead.
		cmds[i] = exec.Command("/bin/sh", "-c", "read x; exit "+strconv.Itoa(i%200))
		cmds[i].Stdin = gate
		if err := cmds[i].Start(); err != nil {
			t.Fatal(err)
		}
		p, err := Identify(cmds[i].Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Watch(p, i); err != nil {
			t.Fatal(err)
		}
	}
	before := runtime.NumGoroutine()
	for i := 0; i < n; i += 10 {
		_ = cmds[i].Process.Kill()
	}
	var reaped sync.WaitGroup
	reaped.Go(func() {
		for i := 0; i < n; i += 2 { // half are reaped at once, half stay zombies
			_ = cmds[i].Wait()
		}
	})
	_ = gate.Close()
	_ = hold.Close()
	seen := map[int]bool{}
	known := 0
	for range n {
		x := next(t, d)
		i := x.Token.(int)
		if seen[i] {
			t.Errorf("death of %d reported twice", i)
		}
		seen[i] = true
		if !x.Known {
			continue
		}
		known++
		wantExit, wantSignal := i%200, 0
		if i%10 == 0 {
			wantExit, wantSignal = -1, int(syscall.SIGKILL)
		}
		if x.Exit != wantExit || x.Signal != wantSignal {
			t.Errorf("death of %d: exit %d signal %d, want %d %d", i, x.Exit, x.Signal, wantExit, wantSignal)
		}
	}
	if runtime.GOOS == "linux" && known < n/2 {
		t.Errorf("exit status known for %d of %d; zombies tell it on every kernel", known, n)
	}
	if before > 100 {
		t.Errorf("%d goroutines for %d watched processes", before, n)
	}
	reaped.Wait()
	for i := 1; i < n; i += 2 {
		_ = cmds[i].Wait()
	}
}

func TestWatchReportsWhatIsGoneAtOnce(t *testing.T) {
	t.Parallel()
	d := serve(t)
	cmd := exec.Command("/bin/sh", "-c", "exit 3")
	if err := cmd.Run(); err == nil {
		t.Fatal("want exit status 3")
	}
	gone := Process{PID: cmd.Process.Pid, Start: 1}
	if err := d.Watch(gone, "a"); err != nil {
		t.Fatal(err)
	}
	if x := next(t, d); x.Process != gone || x.Token != "a" || x.Known {
		t.Errorf("got %+v", x)
	}
	a := start(t, "sleeper", "")
	other := Process{PID: a.proc.PID, Start: a.proc.Start + 1}
	if err := d.Watch(other, "b"); err != nil {
		t.Fatal(err)
	}
	if x := next(t, d); x.Process != other || x.Token != "b" {
		t.Errorf("got %+v", x)
	}
}

func TestForgetAndRewatch(t *testing.T) {
	t.Parallel()
	d := serve(t)
	a, b := start(t, "sleeper", ""), start(t, "sleeper", "")
	for token, p := range map[string]Process{"a": a.proc, "b": b.proc} {
		if err := d.Watch(p, token); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Watch(b.proc, "again"); err != nil {
		t.Fatal(err)
	}
	d.Forget(a.proc)
	_ = a.cmd.Process.Kill()
	await.Until(t, "a is dead", func() bool { return !a.proc.Alive() })
	_ = b.cmd.Process.Kill()
	if x := next(t, d); x.Token != "again" {
		t.Errorf("got %+v, want the death of b", x)
	}
	select {
	case x := <-d.C():
		t.Errorf("one death too many: %+v", x)
	default:
	}
}

func TestDeathsSurviveARestartOfServe(t *testing.T) {
	t.Parallel()
	d, err := NewDeaths()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = d.Serve(ctx) })
	const n = deathsBuffer + 20 // more than the channel holds: Serve blocks in the middle
	for i := range n {
		if err := d.Watch(Process{PID: 1 << 30, Start: uint64(i)}, i); err != nil {
			t.Fatal(err)
		}
	}
	await.Until(t, "the channel is full", func() bool { return len(d.C()) == deathsBuffer })
	cancel()
	wg.Wait()
	wg.Go(func() { _ = d.Serve(t.Context()) })
	var got []int
	for range n {
		got = append(got, next(t, d).Token.(int))
	}
	slices.Sort(got)
	for i := range n {
		if got[i] != i {
			t.Fatalf("got %v: one lost or doubled", got)
		}
	}
	d.Close()
	d.Close()
	wg.Wait()
	if err := d.Watch(Process{PID: 1, Start: 1}, nil); err == nil {
		t.Error("Watch after Close succeeded")
	}
}

func BenchmarkDeath(b *testing.B) {
	d, err := NewDeaths()
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = d.Serve(b.Context()) })
	defer func() { d.Close(); wg.Wait() }()
	for b.Loop() {
		b.StopTimer()
		cmd := exec.Command("/bin/sleep", "60")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		p, err := Identify(cmd.Process.Pid)
		if err != nil {
			b.Fatal(err)
		}
		if err := d.Watch(p, nil); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		_ = unix.Kill(p.PID, unix.SIGKILL)
		<-d.C()
		b.StopTimer()
		_ = cmd.Wait()
		b.StartTimer()
	}
}
