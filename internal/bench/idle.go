package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"muster/internal/event"
)

// measureIdle measures the CPU time of all processes of muster (keeper, supervisor, tmux and one waiter for each
// agent) while 100 agents have nothing to do, as the kernel's scheduler counts it.
func measureIdle(ctx context.Context, b *bench) (result, error) { return idle(ctx, b, false) }

// idle measures agents with a fence or without one.
func idle(ctx context.Context, b *bench, fenced bool) (r result, err error) {
	const n = 100
	w, err := b.newWorld(ctx, n)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	// The waiter is the process that an agent with hooks starts itself. It blocks on the bell of its mailbox.
	program, err := w.script("agent", "muster hook claude wait </dev/null & exec sleep 1000")
	if err != nil {
		return r, err
	}
	if fenced {
		if err := w.fence(program); err != nil {
			return r, err
		}
	}
	if err := w.sleepers(ctx, n, program); err != nil {
		return r, err
	}
	span := time.Duration(b.pick(60, 10)) * time.Second
	rest(ctx, 3*time.Second) // a process that was just started is not idle yet
	before := w.accounts()
	rest(ctx, span)
	after := w.accounts()
	var total time.Duration
	kinds, count := map[string]time.Duration{}, map[string]int{}
	for pid, a := range after {
		old, known := before[pid]
		if !known {
			return r, fmt.Errorf("a process was started: %s (%d)", a.what, pid)
		}
		if a.reaped != old.reaped {
			return r, fmt.Errorf("%s (%d) started a process", a.what, pid)
		}
		if a.what == "agent" {
			continue
		}
		total += a.cpu - old.cpu
		kinds[a.what] += a.cpu - old.cpu
		count[a.what]++
	}
	if count["waiter"] != n || count["supervisor"] != 1 || count["keeper"] != 1 || count["tmux"] == 0 {
		return r, fmt.Errorf("not the processes that were expected: %v", count)
	}
	limit := 60 * time.Millisecond * span / (60 * time.Second)
	note := fmt.Sprintf("%d processes in %s:", len(after), span)
	for _, k := range []string{"supervisor", "keeper", "tmux", "waiter"} {
		note += fmt.Sprintf(" %s %s,", k, ms(kinds[k]))
	}
	return result{
		measured: fmt.Sprintf("%.3f s", total.Seconds()), met: total <= limit, notes: []string{strings.TrimSuffix(note, ",") + "; no process started"},
	}, nil
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// account has the kernel's figures about one process.
type account struct {
	what   string
	cpu    time.Duration
	reaped string // page faults of children that ended; it changes if one was started
}

func (w *world) accounts() map[int]account {
	out := map[int]account{}
	for _, pid := range w.processes() {
		a := account{what: "agent"}
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			continue
		}
		words := strings.Split(string(cmdline), "\x00")
		switch {
		case len(words) > 1 && words[1] == "supervise":
			a.what = "supervisor"
		case len(words) > 1 && words[1] == "keep":
			a.what = "keeper"
		case len(words) > 3 && words[1] == "hook":
			a.what = "waiter"
		case strings.Contains(words[0], "tmux"):
			a.what = "tmux"
		}
		a.cpu = cpu(pid)
		if f := stat(pid); len(f) > 10 {
			a.reaped = f[8] + " " + f[10]
		}
		out[pid] = a
	}
	return out
}

// stat returns the fields of /proc/PID/stat from the state on. Index 0 is field 3.
func stat(pid int) []string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
}

// measureAdopt kills the supervisor and measures the time from the start of its successor until the log says that the
// fleet is adopted.
func measureAdopt(ctx context.Context, b *bench) (r result, err error) {
	n := b.pick(200, 50)
	w, err := b.asleep(ctx, n)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	log, err := w.log(ctx)
	if err != nil {
		return r, err
	}
	defer log.close()
	var all samples
	for range 3 {
		if err := log.skip(ctx); err != nil {
			return r, err
		}
		pid, err := w.supervisor(ctx)
		if err != nil {
			return r, err
		}
		kill(pid)
		e, err := log.await(ctx, func(e event.Event) bool { return e.Kind() == (event.SupervisorStarted{}).Kind() })
		if err != nil {
			return r, err
		}
		s, ok := e.Data.(event.SupervisorStarted)
		if !ok || s.Adopted != n {
			return r, fmt.Errorf("%d of %d agents were adopted", s.Adopted, n)
		}
		age, err := age(s.PID)
		if err != nil {
			return r, err
		}
		all = append(all, age)
		if err := w.quiet(ctx); err != nil {
			return r, err
		}
	}
	return result{
		measured: ms(all.best()), met: all.best() <= 500*time.Millisecond,
		notes: []string{fmt.Sprintf("%d agents, best of %d; worst %s; to within 10 ms", n, len(all), ms(all.quantile(1)))},
	}, nil
}
