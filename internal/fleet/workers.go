package fleet

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// agentToken and jobToken say whose process it was that ended.
type agentToken struct {
	task event.TaskID
	gen  int
	pane string
}

type jobToken struct {
	of     event.Subject
	action event.Action
}

// job is one piece of work for a worker: an action, or finding out how an agent ended.
type job struct {
	of     event.Subject
	action event.Action
	again  bool // it may have been begun before
	death  *deathOf
	run    *running // by the worker that has it
}

// running is a job that a worker has.
type running struct {
	job    job
	since  time.Duration // by the monotonic clock
	limit  atomic.Int64  // nanoseconds that the job may take; the worker may extend it
	cancel context.CancelFunc
	lost   bool // it was given up
}

// lostGrace is how much longer than its limit a job may take until it is given up. Its context has ended by then.
const lostGrace = time.Minute

// exitGrace is how long a supervisor that ends waits for its workers.
const exitGrace = time.Minute

type deathOf struct {
	gen   int
	pane  string
	death Death
}

// result is what a worker brings back.
type result struct {
	job     job
	facts   []event.Payload
	failure *life.Failure
	wait    event.ProcessRef // not finished: to be done again when this process has ended
	exited  *life.Exited
}

// workers carries jobs out, a bounded number at once and, so that acts on one subject never race, one at a time
// for each. All but the work itself happens in the supervisor's loop, so nothing here needs a lock.
type workers struct {
	most    int
	work    func(context.Context, job) result
	results chan result
	ready   []event.Subject // those with something to do and nothing under way
	later   []event.Subject // of these, the ones that wait for a worktree
	queues  map[event.Subject][]job
	busy    map[event.Subject]*running
	lost    int // jobs that were given up and have not come back
}

func newWorkers(most int, work func(context.Context, job) result) *workers {
	return &workers{
		most: most, work: work, results: make(chan result, most),
		queues: map[event.Subject][]job{}, busy: map[event.Subject]*running{},
	}
}

// add puts a job at the end of its task's line.
func (w *workers) add(j job) {
	w.queues[j.of] = append(w.queues[j.of], j)
	if len(w.queues[j.of]) == 1 && w.busy[j.of] == nil {
		w.line(j.of)
	}
}

// line puts a task into line for its first job. Worktrees of one repository are made one after the other: while many
// tasks wait for theirs, an agent whose worktree is ready starts, and one that runs is looked after.
func (w *workers) line(id event.Subject) {
	if j := w.queues[id][0]; j.death == nil && j.action.Kind() == event.ActPrepare {
		w.later = append(w.later, id)
	} else {
		w.ready = append(w.ready, id)
	}
}

// next takes a task out of the line.
func (w *workers) next() event.Subject {
	from := &w.ready
	if len(*from) == 0 {
		from = &w.later
	}
	id := (*from)[0]
	*from = (*from)[1:]
	return id
}

// run starts what can be started.
func (w *workers) run(ctx context.Context, now time.Duration) {
	for len(w.ready)+len(w.later) > 0 && w.quick(now) < w.most {
		id := w.next()
		j := w.queues[id][0]
		w.queues[id] = w.queues[id][1:]
		work, cancel := context.WithCancel(ctx)
		r := &running{since: now, cancel: cancel}
		r.limit.Store(int64(actLimit))
		j.run = r
		r.job = j
		w.busy[id] = r
		go func() {
			defer cancel()
			w.results <- w.work(work, j)
		}()
	}
}

// quick is how many jobs count against the bound. One that takes longer than most acts may hangs, or works on a large
// repository; neither keeps others from starting.
func (w *workers) quick(now time.Duration) (n int) {
	for _, r := range w.busy {
		if now-r.since <= actLimit {
			n++
		}
	}
	return n
}

// done notes that a job has come back. It reports false for one that was given up.
func (w *workers) done(j job) bool {
	if j.run != nil && j.run.lost {
		w.lost--
		return false
	}
	w.free(j.of)
	return true
}

func (w *workers) free(id event.Subject) {
	delete(w.busy, id)
	if len(w.queues[id]) > 0 {
		w.line(id)
	} else {
		delete(w.queues, id)
	}
}

// giveUp gives up the jobs that have not come back long after their limit, and returns them. What waits behind a job to
// end its task does not wait for a limit of hours: the job is told to end after the limit of most acts.
func (w *workers) giveUp(now time.Duration) (lost []job) {
	for id, r := range w.busy {
		limit := time.Duration(r.limit.Load())
		if slices.ContainsFunc(w.queues[id], func(j job) bool { return j.death == nil && j.action.Kind() == event.ActEnd }) {
			limit = min(limit, actLimit)
		}
		over := now - r.since - limit
		if over > 0 {
			r.cancel()
		}
		if over > lostGrace {
			r.lost = true
			w.lost++
			lost = append(lost, r.job)
			w.free(id)
		}
	}
	slices.SortFunc(lost, func(a, b job) int { return strings.Compare(a.of.Key(), b.of.Key()) })
	return lost
}

// has reports whether there is anything to do for a task.
func (w *workers) has(id event.Subject) bool { return w.busy[id] != nil || len(w.queues[id]) > 0 }

// idle reports whether nothing is under way.
func (w *workers) idle() bool { return len(w.busy) == 0 && len(w.ready)+len(w.later) == 0 }

// wait returns when no worker runs, or none but those that hang. Results that nobody took are dropped, as a crash would
// drop them.
func (w *workers) wait() {
	enough := time.NewTimer(exitGrace)
	defer enough.Stop()
	for len(w.busy) > 0 {
		select {
		case r := <-w.results:
			if r.job.run == nil || !r.job.run.lost {
				delete(w.busy, r.job.of)
			}
		case <-enough.C:
			return
		}
	}
}
