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
	Odds   map[string]int // of single faults in permille, instead of their own
	Often  int            // of a thousand kinds of faults, how many are frequent, so that rare ones occur together
	Only   []string       // only these faults and requests occur; nil: all
	Dir    string         // for the few files that a supervisor writes itself
}

// Report is the result of a simulation.
type Report struct {
	Events  int
	Game    uint64 // a hash of when what happened to whom: two plays of a plan have the same
	Virtual time.Duration
	Broken  []string            // the invariants that were violated, in order
	Fired   []string            // the faults and requests that occurred, in order
	Story   []string            // the log of the first task that violated an invariant
	Suspect string              // the name of that task
	Moves   map[Move]int        // how often each was made
	States  map[event.State]int // how many tasks ended in each state
}

// settleLimit is how long a fleet may take to come to rest after the faults have ended. It is longer than any
// deadline.
const settleLimit = 20 * 24 * time.Hour

// Run plays a plan and stops at the first violation. It must be called in a bubble of testing/synctest.
func Run(p Plan) Report {
	began := time.Now()
	w := newWorld(newLuck(p), p.Slots, p.Dir)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	w.endow()
	deeds := w.plan(p.Tasks, p.Every)
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer stop()
		w.live(ctx, deeds)
		w.calm(ctx)
	}()
	watched := make(chan struct{})
	go func() { // the first violation ends the run
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
	r := Report{Events: w.judge.events, Game: w.judge.game.Sum64(), Virtual: time.Since(began), Broken: w.broken, Fired: w.Luck.Fired(), Moves: w.judge.moves, States: map[event.State]int{}}
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

// keep is the keeper: it restarts a supervisor that has died. If the fleet went down, it restarts it after a while or
// on demand.
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
		case err == nil: // the fleet went down as it was told
			select {
			case <-w.up:
			case <-ctx.Done():
			}
		case !errors.Is(err, context.Canceled) && !errors.Is(err, ErrDead) && ctx.Err() == nil:
			fallthrough // it could not adopt the fleet, or its terminal is lost
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

// calm ends the faults, waits until the fleet has come to rest, and then checks it.
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
		w.wakeAccounts(false)
		w.mu.Lock()
		rest := true
		for _, t := range w.judge.tasks {
			if !resting(t) || w.unseen(t) || patient && t.State == event.InReview {
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
