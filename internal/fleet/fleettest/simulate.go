package fleettest

import (
	"context"
	"errors"
	"time"

	"muster/internal/event"
)

// Plan is one simulation: a fleet, its tasks, and how much goes wrong.
type Plan struct {
	Seed   uint64
	Tasks  int
	Slots  int
	Every  time.Duration  // between two tasks, on average
	Faults int            // percent of the faults' own chances
	Odds   map[string]int // of single faults, in permille, other than their own
	Often  int            // of a thousand sorts of faults, how many are frequent: such as seldom come together then do
	Only   []string       // of what goes against the plan, and of what is asked for, only this happens; nil: all
	Dir    string         // for the few files that a supervisor writes by itself
}

// Report is what became of it.
type Report struct {
	Events  int
	Virtual time.Duration
	Broken  []string            // the invariants that did not hold, in order
	Fired   []string            // what went against the plan, and what was asked for, in order
	Story   []string            // what the log says of the task that was wrong first
	Suspect string              // and its name
	Moves   map[Move]int        // how often each was made
	States  map[event.State]int // in which tasks ended
}

// settleLimit is how long a fleet may take to come to rest once nothing goes wrong any more: longer than any deadline.
const settleLimit = 20 * 24 * time.Hour

// Run plays a plan; it must be called in a bubble of testing/synctest, and returns at the first thing that is wrong.
func Run(p Plan) Report {
	began := time.Now()
	w := newWorld(newLuck(p), p.Slots, p.Dir)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	deeds := w.plan(p.Tasks, p.Every)
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer stop()
		w.live(ctx, deeds)
		w.calm(ctx)
	}()
	watched := make(chan struct{})
	go func() { // the first thing that is wrong ends it
		defer close(watched)
		for ctx.Err() == nil {
			if time.Sleep(time.Minute); w.isBroken() {
				stop()
			}
		}
	}()
	w.keep(ctx)
	stop()
	<-over
	<-watched
	w.endAll()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.broken) == 0 {
		if diff, err := w.Log.Rebuild(context.Background()); err != nil || len(diff) > 0 {
			w.breach("the log folds to something else: %v %v", diff, err)
		}
	}
	r := Report{Events: w.judge.events, Virtual: time.Since(began), Broken: w.broken, Fired: w.Luck.Fired(), Moves: w.judge.moves, States: map[event.State]int{}}
	if w.suspect != "" {
		r.Suspect, r.Story = w.names[w.suspect], w.story(w.suspect)
	}
	for _, t := range w.judge.tasks {
		r.States[t.State]++
	}
	return r
}

func (w *World) isBroken() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.broken) > 0
}

// keep is the keeper: it starts a supervisor again when one has died, and after a while or on demand when the fleet went down.
func (w *World) keep(ctx context.Context) {
	for ctx.Err() == nil {
		life, end := context.WithCancel(ctx)
		if w.Luck.Fault("the supervisor dies", "", 800) {
			age := w.Luck.Span("a supervisor's life", "", 4*time.Hour)
			timer := time.AfterFunc(age, end)
			defer timer.Stop()
		}
		err := w.supervise(life)
		end()
		switch {
		case err == nil: // down in good order
			select {
			case <-w.up:
			case <-ctx.Done():
			}
		case !errors.Is(err, context.Canceled) && !errors.Is(err, ErrDead) && ctx.Err() == nil:
			fallthrough // it could not adopt, or its terminal is gone
		default:
			t := time.NewTimer(time.Second + w.Luck.Span("a restart", "", 5*time.Second))
			select {
			case <-t.C:
			case <-ctx.Done():
			}
			t.Stop()
		}
	}
}

// calm lets a fleet come to rest in a world without faults, and judges it then.
func (w *World) calm(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	w.Luck.Calm()
	w.set(func() { w.full, w.gate, w.fullAt, w.outside = false, "", map[string]bool{}, false })
	w.request("", upAgain)
	patient := w.Luck.One("patience", "", 10) == 0 // waits until the last review has ended
	limit := time.Now().Add(settleLimit)
	for ctx.Err() == nil {
		time.Sleep(10 * time.Minute)
		w.mu.Lock()
		rest := true
		for _, t := range w.judge.tasks {
			if !resting(t) || patient && t.State == event.InReview {
				rest = false
				break
			}
		}
		if rest || time.Now().After(limit) {
			w.judgeRest()
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
	}
}
