package fleettest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

var (
	events = flag.Int("simulate.events", 30_000, "how many events to simulate")
	seed   = flag.Uint64("simulate.seed", 1, "the first seed")
	tasks  = flag.Int("simulate.tasks", 300, "how many tasks a world has")
	shrink = flag.Duration("simulate.shrink", 30*time.Second, "how long to look for a shorter script of a failure")
)

// big returns a world of some days, or in one case of fifty of some weeks. In half of the worlds some faults are
// frequent.
func big(seed uint64) Plan {
	p := Plan{Seed: seed, Tasks: *tasks, Slots: 8, Every: 6 * time.Minute, Faults: 100}
	if seed%50 == 0 {
		p.Tasks *= 10
	}
	if seed%2 == 1 {
		p.Often = 25
	}
	return p
}

// play runs a plan in a bubble of its own.
func play(t *testing.T, p Plan) (r Report) {
	t.Helper()
	p.Dir = t.TempDir()
	t.Run(fmt.Sprint("seed ", p.Seed), func(t *testing.T) {
		synctest.Test(t, func(*testing.T) { r = Run(p) })
	})
	return r
}

type totals struct {
	mu      sync.Mutex
	next    uint64
	events  int
	worlds  int
	virtual time.Duration
	took    time.Duration
	longest time.Duration // of all worlds, in virtual time
	moves   map[Move]int
	states  map[event.State]int
	failed  []string
}

var sum = totals{moves: map[Move]int{}, states: map[event.State]int{}}

// TestSimulate plays whole fleets in virtual time, with faults in all edges, until enough events have been written.
func TestSimulate(t *testing.T) {
	began := time.Now()
	sum.next = *seed
	t.Run("worlds", func(t *testing.T) {
		for n := range min(2, runtime.NumCPU()) {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				for sum.more() {
					p := big(sum.take())
					r := play(t, p)
					sum.add(r)
					if len(r.Broken) > 0 {
						script := shorten(t, p, r)
						sum.fail(script)
						t.Errorf("%s", script)
					}
				}
			})
		}
	})
	sum.took = time.Since(began)
}

func (s *totals) more() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events < *events && len(s.failed) == 0
}

func (s *totals) take() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	return s.next - 1
}

func (s *totals) add(r Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worlds++
	s.events += r.Events
	if million := s.events / 1_000_000; million > (s.events-r.Events)/1_000_000 {
		fmt.Printf("  %d million events, %.0f virtual hours\n", million, s.virtual.Hours())
	}
	s.virtual += r.Virtual
	s.longest = max(s.longest, r.Virtual)
	for m, n := range r.Moves {
		s.moves[m] += n
	}
	for state, n := range r.States {
		s.states[state] += n
	}
}

func (s *totals) fail(script string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = append(s.failed, script)
}

// coverage returns how often each rule was applied and each state was entered, which moves were never made, and in
// which states tasks ended.
func (s *totals) coverage() string {
	var b strings.Builder
	var never []string
	followed, made, all := 0, 0, 0
	entered := map[event.State]int{}
	for _, tr := range life.Rules() {
		n := 0
		for _, from := range tr.From {
			k := s.moves[Move{tr.Rule, from}]
			n += k
			if all++; k > 0 {
				made++
			} else {
				never = append(never, fmt.Sprintf("%s in %s", tr.Rule, from))
			}
		}
		if n > 0 {
			followed++
		}
		entered[tr.To] += n
		fmt.Fprintf(&b, "\n  %-18s %9d", tr.Rule, n)
	}
	ends := 0
	for _, n := range s.states {
		ends += n
	}
	entered[event.Queued] += ends
	fmt.Fprintf(&b, "\n  entered: %s\n  ended: %s\n  never: %s", counts(entered), counts(s.states), strings.Join(append(never, "")[:max(1, len(never))], ", "))
	return fmt.Sprintf("%d worlds, the longest of %.0f days; %d tasks; %d of %d rules followed, %d of %d moves of the table made:",
		s.worlds, s.longest.Hours()/24, ends, followed, len(life.Rules()), made, all) + b.String()
}

func counts(of map[event.State]int) string {
	var out []string
	for state, n := range of {
		out = append(out, fmt.Sprintf("%s %d", state, n))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// named finds the task in the name of a choice.
var named = regexp.MustCompile(` (k\d+)\b`)

// shorten searches for a short list of choices that still violates an invariant. It leaves out whole tasks first and
// then single choices, in halves, quarters and so on.
func shorten(t *testing.T, p Plan, r Report) string {
	t.Helper()
	s := shortening{t: t, plan: p, best: r, end: time.Now().Add(*shrink)}
	about := func(own bool) []string { // choices about the task, with or without those about the whole machine
		return slices.DeleteFunc(slices.Clone(r.Fired), func(key string) bool {
			who := named.FindStringSubmatch(key)
			return who == nil && own || who != nil && who[1] != r.Suspect
		})
	}
	if r.Suspect != "" && !s.breaks(about(true)) {
		s.breaks(about(false))
	}
	s.cut(func(key string) string {
		if who := named.FindStringSubmatch(key); who != nil {
			return who[1]
		}
		return key
	})
	s.cut(func(key string) string { return key })
	best := s.best
	return fmt.Sprintf("seed %d breaks:\n  %s\nafter (%d choices, %d at first, %d tries):\n  %s\nThe log says:\n  %s", p.Seed,
		strings.Join(best.Broken[:min(5, len(best.Broken))], "\n  "), len(best.Fired), len(r.Fired), s.tries, strings.Join(best.Fired, "\n  "),
		strings.Join(best.Story[max(0, len(best.Story)-80):], "\n  "))
}

// shortening is the search for a short list of choices.
type shortening struct {
	t     *testing.T
	plan  Plan
	best  Report
	end   time.Time
	tries int
}

// breaks plays with some choices only. It reports whether that violates an invariant, and then stores the result.
func (s *shortening) breaks(only []string) bool {
	s.tries++
	p := s.plan
	p.Only = only
	r := play(s.t, p)
	if len(r.Broken) == 0 {
		return false
	}
	s.best = r
	return true
}

// cut leaves out groups of choices.
func (s *shortening) cut(group func(key string) string) {
	groups := func() (out []string) {
		for _, key := range s.best.Fired {
			if g := group(key); !slices.Contains(out, g) {
				out = append(out, g)
			}
		}
		return out
	}
	for size := (len(groups()) + 1) / 2; size > 0; size /= 2 {
		for from := 0; time.Now().Before(s.end); {
			all := groups()
			if from >= len(all) {
				break
			}
			gone := all[from:min(len(all), from+size)]
			if !s.breaks(slices.DeleteFunc(slices.Clone(s.best.Fired), func(key string) bool { return slices.Contains(gone, group(key)) })) {
				from += size
			}
		}
	}
}

func TestUndisturbedFleetEndsWell(t *testing.T) {
	t.Parallel()
	r := play(t, Plan{Seed: 1, Tasks: 40, Slots: 4, Every: time.Minute})
	for _, b := range r.Broken {
		t.Error(b)
	}
	if r.States["failed"]+r.States["parked"] > 0 {
		t.Errorf("nothing went wrong, and yet: %v", r.States)
	}
}

// Faults that are rare, and caused a violation when they occurred together, are all frequent here.
func TestFaultsThatComeTogether(t *testing.T) {
	t.Parallel()
	for name, odds := range map[string]map[string]int{
		"a death in the middle of a delivery, then a look that fails": {
			"the supervisor dies after pasting": 200, "the supervisor dies before pressing Enter": 200, "listing panes fails": 200,
		},
		"a death before anything was typed, then a look that fails": {
			"the supervisor dies before pasting": 200, "listing panes fails": 200,
		},
		"an entry that vanishes from the stash, then a look at the stash that fails": {
			"an entry of the stash vanishes": 300, "looking at the stash fails": 400,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= 10; seed++ {
				r := play(t, Plan{Seed: seed, Tasks: 60, Slots: 6, Every: 5 * time.Minute, Faults: 100, Odds: odds})
				for _, b := range r.Broken {
					t.Errorf("seed %d: %s", seed, b)
				}
			}
		})
	}
}

func TestASupervisorWithoutRoomForItsLogWaits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(newLuck(Plan{Seed: 1}), 4, dir)
		w.dispatch("k1", nil)
		w.full = true
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
		defer stop()
		if err := w.supervise(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it ended by %v", err)
		}
		w.endAll()
		for _, b := range w.broken {
			t.Error(b)
		}
	})
}

// The first prepare fails after its setup has run, and a person removes the worktree before the retry.
func TestSetupRunsAgainWhereItsWorktreeWasRemovedBeforeTheFirstLaunch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(newLuck(Plan{Seed: 1}), 4, dir)
		spec := w.spec("k1")
		spec.Setup = "make setup"
		id := w.queue("k1", spec)
		ctx, stop := context.WithTimeout(t.Context(), 30*time.Minute)
		w.wg.Go(func() { _ = w.supervise(ctx) })
		until := func(what string, ok func(t life.Task) bool) {
			for done := false; !done; time.Sleep(time.Millisecond) {
				w.set(func() { done = ok(w.judge.tasks[id]) })
				if !done && ctx.Err() != nil {
					t.Fatalf("it never came to this: %s\n%s", what, strings.Join(w.story(id), "\n"))
				}
			}
		}
		until("the setup has run", func(life.Task) bool { return w.work(id).ready })
		w.set(func() { w.movedAt[spec.Repo] = true })
		until("parked", func(t life.Task) bool { return t.State == event.Parked })
		w.set(func() {
			w.movedAt[spec.Repo] = false
			w.work(id).vanish()
		})
		w.verb(id, verbs[2])
		until("at work", func(t life.Task) bool { return t.State == event.Working })
		stop()
		w.endAll()
		for _, b := range w.broken {
			t.Error(b)
		}
	})
}

// TestASeedPlaysTheSameGameTwice plays two plans, each twice at once, so that the scheduler interrupts them.
func TestASeedPlaysTheSameGameTwice(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{7, 9} {
		p := Plan{Seed: seed, Tasks: 60, Slots: 4, Every: 5 * time.Minute, Faults: 100}
		var games [2]Report
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			for i := range games {
				t.Run(fmt.Sprint("play ", i+1), func(t *testing.T) {
					t.Parallel()
					games[i] = play(t, p)
				})
			}
		})
		one, two := games[0], games[1]
		if one.Game != two.Game || !slices.Equal(one.Fired, two.Fired) {
			t.Errorf("seed %d: %d events with %d faults, then %d with %d, at other times", seed, one.Events, len(one.Fired), two.Events, len(two.Fired))
		}
	}
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if sum.worlds > 0 {
		fmt.Println(sum.coverage())
		fmt.Printf("  %s, %.0f events a second\n", sum.took.Round(time.Second), float64(sum.events)/sum.took.Seconds())
		fmt.Printf("simulate: %d events, %.0f virtual hours, %d violations\n", sum.events, sum.virtual.Hours(), len(sum.failed))
	}
	os.Exit(code)
}
