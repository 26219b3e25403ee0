package e2e

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The full form of the suite, `make chaos`, has flags; without them it is short.
var (
	chaosDeaths = flag.Int("chaos.deaths", 0, "walk all points of all scenarios, then die at random until there were so many deaths")
	chaosSeed   = flag.Uint64("chaos.seed", 0, "the seed of the random part; 0 takes one from the clock")
	chaosOnly   = flag.String("chaos.only", "", "only this scenario")
	chaosPlan   = flag.String("chaos.plan", "", "only this plan")
)

// chaosSummary is the last line that the full form prints.
var chaosSummary = "chaos: did not come to its end"

// atMost bounds the deaths in the plan of one run; a random plan may have two more. After too many deaths in a row,
// a job that never completed is given up, which is correct behavior.
const atMost = 8

// chaosRun is a scenario under a plan.
type chaosRun struct {
	plan  []place
	alone int // number of runs so far with its place alone; 0 for other runs
}

// walk holds the runs that one scenario still needs, and the results so far.
type walk struct {
	scenario    scenario
	undisturbed played
	places      []place // all points, in the order of an undisturbed run

	mu        sync.Mutex
	todo      []chaosRun
	reached   map[string]bool
	unreached []string
	runs      int
	deaths    int
	broken    int
	took      time.Duration
}

// newWalk plays a scenario undisturbed. A point that comes once is identified by its name, also after other deaths. A
// point that comes more often is identified by its count, which is valid only until the first death.
func newWalk(t *testing.T, s scenario) *walk {
	w := &walk{scenario: s, reached: map[string]bool{}}
	if !t.Run(s.name+"/none", func(t *testing.T) { w.undisturbed = playOnce(t, s, nil) }) {
		return w
	}
	counts := map[string]int{}
	for _, name := range w.undisturbed.points {
		counts[name]++
		w.places = append(w.places, place{name: name, n: counts[name]})
	}
	return w
}

// often reports whether a point comes more than once.
func (w *walk) often(p place) bool {
	return slices.ContainsFunc(w.places, func(q place) bool { return q.name == p.name && q.n == 2 })
}

// cover makes plans that contain each point once. A point that comes often is first in its plan; points that come once
// follow it, far from each other.
func (w *walk) cover() {
	left := slices.Clone(w.places)
	gap := max(4, len(left)/atMost)
	take := func(i int) place {
		p := left[i]
		left[i] = place{}
		return p
	}
	fill := func(plan []place, from int) []place {
		for i := from; i < len(left) && len(plan) < atMost; i++ {
			if left[i].name != "" && !w.often(left[i]) {
				plan = append(plan, take(i))
				i += gap - 1
			}
		}
		return plan
	}
	for i := len(left) - 1; i >= 0; i-- { // from the end: the last point has the fewest points after it
		if left[i].name != "" && w.often(left[i]) {
			w.todo = append(w.todo, chaosRun{plan: fill([]place{take(i)}, i+gap)})
		}
	}
	for i := range left {
		if left[i].name != "" {
			w.todo = append(w.todo, chaosRun{plan: fill([]place{take(i)}, i+gap)})
		}
	}
}

// play plays one run and records the result. A point that was missed because the course had changed is tried alone.
func (w *walk) play(t *testing.T, r chaosRun) {
	began := time.Now()
	var p played
	ok := t.Run(w.scenario.name+"/"+planText(r.plan), func(t *testing.T) {
		p = playOnce(t, w.scenario, r.plan)
		p.against(t, w.undisturbed, r.plan)
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs++
	w.deaths += p.deaths
	w.took += time.Since(began)
	if !ok {
		w.broken++
		fmt.Printf("violation: -chaos.only %s -chaos.plan '%s' -chaos.seed %d\n", w.scenario.name, planText(r.plan), *chaosSeed)
	}
	for _, at := range r.plan {
		switch missed := slices.Contains(p.missed, at); {
		case ok && !missed:
			w.reached[at.String()] = true
		case at.name == "" || at.later > 0 || w.reached[at.String()]: // of the random part
		case r.alone < 3:
			w.todo = append(w.todo, chaosRun{plan: []place{at}, alone: r.alone + 1})
		default:
			w.unreached = append(w.unreached, at.String())
		}
	}
}

// TestDeathAtEveryPoint kills the supervisor where world and record can differ. The short form, without flags, does it
// at every point of one scenario and at some points of all.
func TestDeathAtEveryPoint(t *testing.T) {
	t.Parallel()
	if *chaosDeaths > 0 {
		chaos(t)
		return
	}
	for _, s := range scenarios() {
		if s.full {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := newWalk(t, s)
			w.cover()
			t.Logf("%d points in %d plans", len(w.places), len(w.todo))
			if !s.all {
				every := max(1, len(w.todo)/cmp.Or(s.plans, 3))
				w.todo = slices.DeleteFunc(w.todo, func(r chaosRun) bool { return len(r.plan) < atMost/2 })
				w.todo = slices.Collect(thinned(w.todo, every))
			}
			w.drain(t)
			if len(w.unreached) > 0 {
				t.Errorf("nobody died at %v", w.unreached)
			}
		})
	}
}

// thinned yields every n-th element.
func thinned[T any](all []T, every int) func(func(T) bool) {
	return func(yield func(T) bool) {
		for i := every / 2; i < len(all); i += every {
			if !yield(all[i]) {
				return
			}
		}
	}
}

// drain plays all planned runs, as many at once as fleets may live.
func (w *walk) drain(t *testing.T) {
	together(cap(atOnce), func() bool {
		r, ok := w.next()
		if ok {
			w.play(t, r)
		}
		return ok
	})
	if len(w.todo) > 0 { // add the points that were missed
		w.drain(t)
	}
}

func (w *walk) next() (r chaosRun, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.todo) == 0 {
		return r, false
	}
	r = w.todo[0]
	w.todo = w.todo[1:]
	return r, true
}

// together calls more from n goroutines until it returns false to each of them.
func together(n int, more func() bool) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for more() {
			}
		})
	}
	wg.Wait()
}

// chaos is the full form: every point of every scenario, then deaths at random.
func chaos(t *testing.T) {
	if *chaosSeed == 0 {
		*chaosSeed = uint64(time.Now().UnixNano()) //nolint:gosec // any will do
	}
	fmt.Printf("chaos: seed %d\n", *chaosSeed)
	var walks []*walk
	for _, s := range scenarios() {
		if *chaosOnly == "" || *chaosOnly == s.name {
			walks = append(walks, newWalk(t, s))
		}
	}
	if t.Failed() {
		return
	}
	c := &campaign{walks: walks, luck: rand.New(rand.NewPCG(*chaosSeed, 0)), began: time.Now()}
	defer c.tell()
	if *chaosPlan != "" {
		plan, err := planOf(*chaosPlan)
		if err != nil {
			t.Fatal(err)
		}
		walks[0].play(t, chaosRun{plan: plan})
		return
	}
	for _, w := range walks {
		w.cover()
	}
	stop := c.speak()
	defer stop()
	for more := true; more; { // a run at the end may find that there is more to do
		together(cap(atOnce), func() bool {
			w, r, ok := c.next()
			if ok {
				w.play(t, r)
			}
			return ok
		})
		more = slices.ContainsFunc(walks, func(w *walk) bool { return len(w.todo) > 0 })
	}
	for _, w := range walks {
		if len(w.unreached) > 0 {
			t.Errorf("%s: nobody died at %v", w.scenario.name, w.unreached)
		}
	}
}

// campaign is the state of the full form.
type campaign struct {
	walks []*walk
	luck  *rand.Rand
	began time.Time
	mu    sync.Mutex
	turn  int
}

// next returns the next run: first the remaining points, one scenario after the other, then random plans until there
// were enough deaths.
func (c *campaign) next() (*walk, chaosRun, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range c.walks {
		c.turn++
		w := c.walks[c.turn%len(c.walks)]
		if r, ok := w.next(); ok {
			return w, r, true
		}
	}
	if c.deaths() >= *chaosDeaths {
		return nil, chaosRun{}, false
	}
	for {
		w := c.walks[c.luck.IntN(len(c.walks))]
		if !w.scenario.full || c.luck.IntN(4) == 0 { // those take long
			return w, chaosRun{plan: w.random(c.luck)}, true
		}
	}
}

func (c *campaign) deaths() (n int) {
	for _, w := range c.walks {
		w.mu.Lock()
		n += w.deaths
		w.mu.Unlock()
	}
	return n
}

// random returns a plan of deaths at random points. A further death follows right after another, in the middle of the
// recovery, or some time after a point.
func (w *walk) random(luck *rand.Rand) (plan []place) {
	gap := max(2, 2*len(w.places)/atMost)
	for i := luck.IntN(gap); i < len(w.places) && len(plan) < atMost+2; i += 1 + luck.IntN(gap) {
		p := w.places[i]
		if w.often(p) && len(plan) > 0 {
			continue
		}
		if luck.IntN(3) == 0 {
			p.later = time.Duration(luck.Int64N(int64(20 * time.Millisecond)))
		}
		plan = append(plan, p)
		if luck.IntN(3) == 0 {
			plan = append(plan, place{n: 1 + luck.IntN(6)})
		}
	}
	return plan
}

// speak prints the progress every half minute.
func (c *campaign) speak() (stop func()) {
	tick, done := time.NewTicker(30*time.Second), make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				runs, broken := 0, 0
				for _, w := range c.walks {
					w.mu.Lock()
					runs, broken = runs+w.runs, broken+w.broken
					w.mu.Unlock()
				}
				fmt.Printf("%4.0f s: %d deaths in %d runs, %d violations\n", time.Since(c.began).Seconds(), c.deaths(), runs, broken)
			}
		}
	}()
	return func() { tick.Stop(); close(done) }
}

// tell prints the table and sets the last line.
func (c *campaign) tell() {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-14s %7s %7s %6s %8s %10s\n", "scenario", "points", "deaths", "runs", "seconds", "violations")
	points, deaths, broken := 0, 0, 0
	for _, w := range slices.SortedFunc(slices.Values(c.walks), func(x, y *walk) int { return cmp.Compare(x.scenario.name, y.scenario.name) }) {
		bad := w.broken + len(w.unreached)
		fmt.Fprintf(&b, "%-14s %7d %7d %6d %8.1f %10d\n", w.scenario.name, len(w.places), w.deaths, w.runs, w.took.Seconds(), bad)
		points, deaths, broken = points+len(w.places), deaths+w.deaths, broken+bad
	}
	fmt.Printf("%s\nseed %d, %.0f s\n", b.String(), *chaosSeed, time.Since(c.began).Seconds())
	chaosSummary = fmt.Sprintf("chaos: %d deaths, %d points, %d scenarios, %d violations", deaths, points, len(c.walks), broken)
}
