package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"muster/internal/event"
)

// many is one run of many short tasks, and what was observed of it.
type many struct {
	done, failed int
	starts       map[event.TaskID]int
	first        time.Time
	memory       []int // resident memory of the supervisor in KiB, after each tenth of the tasks
}

// measureTasks runs many tasks of the scripted agent through a fleet of 50 slots and counts the results.
func measureTasks(ctx context.Context, b *bench) (r result, err error) {
	n := b.pick(2000, 200)
	w, err := b.newWorld(ctx, 50)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	begun := filepath.Join(w.dir, "begun")
	prompt := "write\n```sim\nwrite result.txt <<done\\n\ndone\n```"
	path, err := w.tasks(n, prompt, "agent = \"sim\"", fmt.Sprintf("env = [\"MUSTER_SIM_LOG=%s\"]", begun))
	if err != nil {
		return r, err
	}
	if _, err := w.muster(ctx, "dispatch", "--file", path); err != nil {
		return r, err
	}
	m := &many{starts: map[event.TaskID]int{}}
	if err := m.watch(ctx, w, n); err != nil {
		return r, err
	}
	took := time.Since(m.first)
	doubled, err := m.doubled(begun, n)
	if err != nil {
		return r, err
	}
	low, high := m.memory[1], m.memory[len(m.memory)-1]
	flat := float64(high) <= 1.3*float64(low)
	branches, err := w.branches(ctx)
	if err != nil {
		return r, err
	}
	return result{
		measured: fmt.Sprintf("%d lost, %d doubled, %.1f tasks/s, %d to %d MiB", n-m.done, doubled, float64(n)/took.Seconds(), low>>10, high>>10),
		met:      m.done == n && doubled == 0 && flat && branches == n,
		notes: []string{fmt.Sprintf("%d tasks in %s, %d failed, %d branches; supervisor's memory after each tenth, MiB: %s",
			n, took.Round(100*time.Millisecond), m.failed, branches, mebibytes(m.memory))},
	}, nil
}

func mebibytes(kib []int) string {
	var out []string
	for _, k := range kib {
		out = append(out, strconv.Itoa(k>>10))
	}
	return strings.Join(out, " ")
}

// watch follows the log until every task has ended or is parked.
func (m *many) watch(ctx context.Context, w *world, n int) error {
	log, err := w.log(ctx)
	if err != nil {
		return err
	}
	defer log.close()
	pid := 0
	for m.done+m.failed < n {
		e, err := log.next(ctx)
		if err != nil {
			return fmt.Errorf("%d of %d tasks are done: %w", m.done, n, err)
		}
		switch p := e.Data.(type) {
		case event.SupervisorStarted:
			pid = p.PID
			m.memory = append(m.memory, resident(pid))
		case event.SlotGranted:
			if m.first.IsZero() {
				m.first = e.Time
			}
		case event.AgentLaunched:
			m.starts[e.Task]++
		case event.TaskMoved:
			if p.To == event.Done {
				m.done++
			} else if p.To.Final() || p.To == event.Parked {
				m.failed++
			}
			if p.To == event.Done && m.done%(n/10) == 0 {
				m.memory = append(m.memory, resident(pid))
			}
		}
	}
	return nil
}

// doubled counts agents that were started more than once, by the log and by the agents' own output.
func (m *many) doubled(begun string, n int) (int, error) {
	twice := 0
	for _, k := range m.starts {
		twice += k - 1
	}
	data, err := os.ReadFile(begun) //nolint:gosec // a file of the benchmark
	if err != nil {
		return 0, err
	}
	own := strings.Count("\n"+string(data), "\nbegin ")
	return max(twice, own-n), nil
}

// branches counts the branches with results.
func (w *world) branches(ctx context.Context) (int, error) {
	out := filepath.Join(w.dir, "branches")
	err := w.sh(ctx, `git -C "$0" for-each-ref --format='%(refname)' refs/heads/muster > "$1"`, w.repo, out)
	if err != nil {
		return 0, err
	}
	data, err := os.ReadFile(out) //nolint:gosec // a file of the benchmark
	return strings.Count(string(data), "\n"), err
}

// resident returns the memory of a process in KiB.
func resident(pid int) int { return memory(pid, "VmRSS:") }

// peak returns the largest memory that a process ever had, in KiB.
func peak(pid int) int { return memory(pid, "VmHWM:") }

// memory returns a value of a process's status in KiB.
func memory(pid int, name string) int {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return n
		}
	}
	return 0
}
