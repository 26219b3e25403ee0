package fleet

import (
	"context"
	"maps"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// SubjectLabel is the profiler label of a goroutine that carries out an action. Its value is the subject's key.
const SubjectLabel = "subject"

// agentToken and jobToken identify a watched process when its end is reported.
type agentToken struct {
	task event.TaskID
	gen  int
	pane string
}

type jobToken struct {
	of     event.Subject
	action event.Action
}

// job is work for a worker: an action, or finding out how an agent ended.
type job struct {
	of     event.Subject
	action event.Action
	again  bool // the action may have been started before
	death  *deathOf
	run    *running // set while a worker runs it
}

// running is a job that a worker runs.
type running struct {
	job    job
	since  time.Duration // by the monotonic clock
	spent  time.Duration // how long the job has run by the looks so far; see giveUp
	limit  atomic.Int64  // time limit in nanoseconds; the worker may extend it
	cancel context.CancelFunc
	lost   bool // it was given up
}

// lostGrace is how much longer than its limit a job may take before it is given up. Its context has ended by then.
const lostGrace = time.Minute

// exitGrace is how long a supervisor that ends waits for its workers. Their contexts have ended by then, and the fleet
// is unattended meanwhile.
const exitGrace = 15 * time.Second

type deathOf struct {
	gen   int
	pane  string
	death Death
}

// result is the result of a job.
type result struct {
	job     job
	facts   []event.Payload
	failure *life.Failure
	wait    event.ProcessRef  // the action is repeated when this process has ended; zero if it is finished
	met     *event.JobStarted // the action is repeated when this is in the log; nil if it is finished
	limit   time.Duration     // how long wait may take
	refused string            // why a result of a job does not count; "" if there was none
	exited  *life.Exited
}

// pending reports whether the action is not finished and will be repeated.
func (r result) pending() bool { return r.wait.PID != 0 || r.met != nil }

// refusing returns the result with the reason why a job's result does not count.
func (r result) refusing(s JobState) result {
	r.refused = s.False
	return r
}

// workers runs a bounded number of jobs at once, and only one at a time for each subject, so that actions on it never
// race. Everything except the work itself happens in the supervisor's loop, so no lock is needed.
type workers struct {
	most    int
	work    func(context.Context, job) result
	results chan result
	over    chan struct{}   // closed when no result is taken any more
	ready   []event.Subject // subjects that have a job and run none
	later   []event.Subject // the same for those whose next job makes a worktree
	queues  map[event.Subject][]job
	busy    map[event.Subject]*running
	lost    int           // jobs that were given up and have not returned
	looked  time.Duration // when giveUp was called last, by the monotonic clock
}

func newWorkers(most int, work func(context.Context, job) result) *workers {
	return &workers{
		most: most, work: work, results: make(chan result, most), over: make(chan struct{}),
		queues: map[event.Subject][]job{}, busy: map[event.Subject]*running{},
	}
}

// add puts a job at the end of its subject's queue.
func (w *workers) add(j job) {
	w.queues[j.of] = append(w.queues[j.of], j)
	if len(w.queues[j.of]) == 1 && w.busy[j.of] == nil {
		w.line(j.of)
	}
}

// line marks a subject as ready for its first job. Worktrees of one repository are made one after the other, so these
// subjects have a second queue and do not delay the others.
func (w *workers) line(id event.Subject) {
	if j := w.queues[id][0]; j.death == nil && j.action.Kind() == event.ActPrepare {
		w.later = append(w.later, id)
	} else {
		w.ready = append(w.ready, id)
	}
}

// next takes the next subject that is ready.
func (w *workers) next() event.Subject {
	from := &w.ready
	if len(*from) == 0 {
		from = &w.later
	}
	id := (*from)[0]
	*from = (*from)[1:]
	return id
}

// run starts as many jobs as the bound permits.
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
		// The label shows in a profile, and in the simulation, for what subject an action is carried out.
		go pprof.Do(work, pprof.Labels(SubjectLabel, j.of.Key()), func(work context.Context) {
			defer cancel()
			res := w.work(work, j)
			select {
			case w.results <- res:
			case <-w.over:
			}
		})
	}
}

// quick returns how many jobs count against the bound. A job that takes longer than most actions may is not counted:
// it hangs or works on a large repository, and must not keep others from starting.
func (w *workers) quick(now time.Duration) (n int) {
	for _, r := range w.busy {
		if now-r.since <= actLimit {
			n++
		}
	}
	return n
}

// done records that a job has returned. It returns false if the job was given up.
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

// giveUp returns the jobs that have not returned long after their limit, and gives them up. A job with a limit of
// hours is cancelled after actLimit if an action to end its task waits behind it. The supervisor looks at least once in
// lookPause; a longer time between two looks counts as lookPause, because the supervisor was stopped then, and its
// workers with it.
func (w *workers) giveUp(now time.Duration) (lost []job) {
	looked := w.looked
	w.looked = now
	byKey := func(a, b event.Subject) int { return strings.Compare(a.Key(), b.Key()) }
	for _, id := range slices.SortedFunc(maps.Keys(w.busy), byKey) { // free puts subjects in line in this order
		r := w.busy[id]
		r.spent += min(now-max(looked, r.since), lookPause)
		limit := time.Duration(r.limit.Load())
		if slices.ContainsFunc(w.queues[id], func(j job) bool { return j.death == nil && j.action.Kind() == event.ActEnd }) {
			limit = min(limit, actLimit)
		}
		over := r.spent - limit
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
	return lost
}

// has reports whether a subject has a job that runs or waits.
func (w *workers) has(id event.Subject) bool { return w.busy[id] != nil || len(w.queues[id]) > 0 }

// idle reports whether no job runs or waits.
func (w *workers) idle() bool { return len(w.busy) == 0 && len(w.ready)+len(w.later) == 0 }

// wait returns when all workers have ended, or after exitGrace if some hang. Their results are dropped, as in a
// crash, and so are those of jobs that were given up. It is called once, as the last.
func (w *workers) wait() {
	defer close(w.over)
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
