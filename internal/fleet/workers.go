package fleet

import (
	"context"
	"sync"

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
}

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
	busy    map[event.Subject]bool
	wg      sync.WaitGroup
}

func newWorkers(most int, work func(context.Context, job) result) *workers {
	return &workers{
		most: most, work: work, results: make(chan result, most),
		queues: map[event.Subject][]job{}, busy: map[event.Subject]bool{},
	}
}

// add puts a job at the end of its task's line.
func (w *workers) add(j job) {
	w.queues[j.of] = append(w.queues[j.of], j)
	if len(w.queues[j.of]) == 1 && !w.busy[j.of] {
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
func (w *workers) run(ctx context.Context) {
	for len(w.ready)+len(w.later) > 0 && len(w.busy) < w.most {
		id := w.next()
		j := w.queues[id][0]
		w.queues[id] = w.queues[id][1:]
		w.busy[id] = true
		w.wg.Go(func() {
			w.results <- w.work(ctx, j)
		})
	}
}

// done notes that a job has come back.
func (w *workers) done(j job) {
	delete(w.busy, j.of)
	if len(w.queues[j.of]) > 0 {
		w.line(j.of)
	} else {
		delete(w.queues, j.of)
	}
}

// has reports whether there is anything to do for a task.
func (w *workers) has(id event.Subject) bool { return w.busy[id] || len(w.queues[id]) > 0 }

// idle reports whether nothing is under way.
func (w *workers) idle() bool { return len(w.busy) == 0 && len(w.ready)+len(w.later) == 0 }

// wait returns when no worker runs; results that nobody took are dropped, as a crash would drop them.
func (w *workers) wait() {
	done := make(chan struct{})
	go func() {
		w.wg.Wait()
		close(done)
	}()
	for {
		select {
		case <-w.results:
		case <-done:
			return
		}
	}
}
