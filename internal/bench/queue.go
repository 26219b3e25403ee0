package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"muster/internal/event"
)

// Targets for a queue of 100,000 tasks.
const (
	dispatchTarget = 15 * time.Second
	turnTarget     = 1.3 // of the turn with 100 tasks queued
	verbTarget     = 30 * time.Millisecond
	adoptTarget    = time.Second
	memoryTarget   = 150 << 10 // KiB
)

// queue is a fleet with one working agent and n tasks that wait for its slot.
type queue struct {
	n        int
	w        *world
	log      *eventLog
	dispatch time.Duration
	turn     samples            // from a line in the status file until the state can be read
	cpu      time.Duration      // of the supervisor, for all these turns
	verbs    map[string]samples // by their command line
	adopt    samples            // from the start of a supervisor until it has adopted everything
	memory   int                // the largest memory of any supervisor, in KiB
}

// queueVerbs returns the verbs that are measured. t1 has ended, and t2 works.
func queueVerbs() [][]string {
	return [][]string{{"ls"}, {"status"}, {"wait", "t1"}, {"show", "t2"}, {"__complete", "show", ""}}
}

// measureQueue compares fleets with 100, 1,000, 10,000 and 100,000 queued tasks. They are up at the same time and are
// measured alternately, so that the noise of the machine is in all of them.
func measureQueue(ctx context.Context, b *bench) (r result, err error) {
	var all []*queue
	defer func() {
		for _, q := range all {
			err = errors.Join(err, q.close())
		}
	}()
	for n := 100; n <= b.pick(100_000, 10_000); n *= 10 {
		q := &queue{n: n, verbs: map[string]samples{}}
		all = append(all, q)
		if err := q.begin(ctx, b); err != nil {
			return r, fmt.Errorf("%d tasks: %w", n, err)
		}
	}
	for i := range b.pick(60, 20) {
		for _, q := range all {
			before := q.w.supervisorTime()
			if err := q.sampleTurn(ctx, i); err != nil {
				return r, fmt.Errorf("%d tasks, turn %d: %w", q.n, i, err)
			}
			q.cpu += q.w.supervisorTime() - before
			for _, verb := range queueVerbs() {
				d, err := process(ctx, q.w.env, nil, append([]string{b.bin}, verb...)...)
				if err != nil {
					return r, fmt.Errorf("%d tasks, muster %s: %w", q.n, strings.Join(verb, " "), err)
				}
				q.verbs[verb[0]] = append(q.verbs[verb[0]], d)
			}
		}
	}
	for range 3 {
		for _, q := range all {
			if err := q.sampleAdoption(ctx); err != nil {
				return r, fmt.Errorf("%d tasks: %w", q.n, err)
			}
		}
	}
	return queueResult(all), nil
}

// begin creates the fleet. The tasks are queued while it is up.
func (q *queue) begin(ctx context.Context, b *bench) (err error) {
	if q.w, err = b.newWorld(ctx, 1); err != nil {
		return err
	}
	program, err := q.w.script("agent", "exec sleep 100000")
	if err != nil {
		return err
	}
	if _, err := q.w.muster(ctx, "dispatch", "--agent", "sim", "--no-checks", "write\n```sim\nwrite result.txt <<done\n\ndone\n```"); err != nil {
		return err
	}
	if _, err := q.w.muster(ctx, "wait", "t1", "--timeout", "60s"); err != nil {
		return err
	}
	if q.log, err = q.w.log(ctx); err != nil {
		return err
	}
	if _, err := q.w.muster(ctx, "dispatch", "--command", program, "--no-checks", "sleep"); err != nil {
		return err
	}
	if _, err := q.log.await(ctx, func(e event.Event) bool {
		return e.Task == "t2" && e.Kind() == (event.AgentLaunched{}).Kind()
	}); err != nil {
		return err
	}
	path, err := q.w.tasks(q.n, "Make the tests of the package pass. Do not touch the generated files.", "command = \""+program+"\"")
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := q.w.muster(ctx, "dispatch", "--file", path); err != nil {
		return err
	}
	q.dispatch = time.Since(began)
	return q.w.quiet(ctx)
}

// supervisorTime returns the CPU time of the supervisor. Other work on the machine has little influence on it.
func (w *world) supervisorTime() (d time.Duration) {
	for _, a := range w.accounts() {
		if a.what == "supervisor" {
			d += a.cpu
		}
	}
	return d
}

func (q *queue) close() error {
	if q.log != nil {
		q.log.close()
	}
	return q.w.close()
}

// sampleTurn measures the time from a line of the agent that changes its task's state until the state can be read.
func (q *queue) sampleTurn(ctx context.Context, i int) error {
	if err := q.log.skip(ctx); err != nil {
		return err
	}
	line, want := fmt.Sprintf(`{"state":"working","note":"step %d"}`, i), event.Working
	if i%2 == 0 {
		line, want = fmt.Sprintf(`{"state":"waiting","reason":"question","note":"question %d"}`, i), event.Waiting
	}
	time.Sleep(pause)
	began := time.Now()
	if err := appendLine(q.w.home.StatusFile("t2", 1), line); err != nil {
		return err
	}
	_, err := q.log.await(ctx, func(e event.Event) bool {
		m, ok := e.Data.(event.TaskMoved)
		return ok && m.To == want
	})
	q.turn = append(q.turn, time.Since(began))
	return err
}

// sampleAdoption ends the supervisor and measures how long the next one needs to adopt the fleet.
func (q *queue) sampleAdoption(ctx context.Context) error {
	if err := q.log.skip(ctx); err != nil {
		return err
	}
	pid, err := q.w.supervisor(ctx)
	if err != nil {
		return err
	}
	q.memory = max(q.memory, peak(pid))
	kill(pid)
	e, err := q.log.await(ctx, func(e event.Event) bool { return e.Kind() == (event.SupervisorStarted{}).Kind() })
	if err != nil {
		return err
	}
	s, ok := e.Data.(event.SupervisorStarted)
	if !ok {
		return fmt.Errorf("the supervisor's start was recorded as %+v", e.Data)
	}
	took, err := age(s.PID)
	if err != nil {
		return err
	}
	q.adopt = append(q.adopt, took)
	if err := q.w.quiet(ctx); err != nil {
		return err
	}
	q.memory = max(q.memory, peak(s.PID))
	return nil
}

// queueResult compares all queues with the first, and the last with the targets.
func queueResult(all []*queue) (r result) {
	first, last := all[0], all[len(all)-1]
	r.met = true
	for _, q := range all {
		rel := ratio(q.cpu, first.cpu)
		note := fmt.Sprintf("%d queued: dispatched in %s, a turn costs %s of CPU (%.2f ×) and takes %s", q.n, ms(q.dispatch),
			ms(q.cpu/time.Duration(len(q.turn))), rel, ms(q.turn.median()))
		for _, verb := range queueVerbs() {
			best := q.verbs[verb[0]].best()
			note += fmt.Sprintf(", %s %s", strings.TrimLeft(verb[0], "_"), ms(best))
			r.met = r.met && best <= verbTarget
		}
		r.notes = append(r.notes, fmt.Sprintf("%s, adopted in %s, supervisor at most %d MiB", note, ms(q.adopt.best()), q.memory>>10))
		r.met = r.met && rel <= turnTarget && q.dispatch <= dispatchTarget && q.adopt.best() <= adoptTarget && q.memory <= memoryTarget
	}
	turn := func(q *queue) string { return ms(q.cpu / time.Duration(len(q.turn))) }
	r.measured = fmt.Sprintf("%.1f s, turn %s of CPU, %d MiB", last.dispatch.Seconds(), turn(last), last.memory>>10)
	r.floor, r.ratio = turn(first), ratio(last.cpu, first.cpu)
	r.notes = append(r.notes, fmt.Sprintf("the CPU of a turn is the mean of %d, its time their median, verbs and adoptions are the best; the floor is the turn with %d tasks queued", len(last.turn), first.n))
	return r
}
