package fleettest

import (
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

	"muster/internal/life"
)

var (
	events = flag.Int("simulate.events", 30_000, "how many events to simulate")
	seed   = flag.Uint64("simulate.seed", 1, "the first seed")
	tasks  = flag.Int("simulate.tasks", 300, "how many tasks a world has")
	shrink = flag.Duration("simulate.shrink", 30*time.Second, "how long to look for a shorter script of a failure")
)

func big(seed uint64) Plan {
	return Plan{Seed: seed, Tasks: *tasks, Slots: 8, Every: 6 * time.Minute, Faults: 100}
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
	rules   map[string]int
	states  map[string]int
	failed  []string
}

var sum = totals{rules: map[string]int{}, states: map[string]int{}}

// TestSimulate plays whole fleets in virtual time, with faults at every edge, until so many events have been written.
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
	for rule, n := range r.Rules {
		s.rules[rule] += n
	}
	for state, n := range r.States {
		s.states[string(state)] += n
	}
}

func (s *totals) fail(script string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = append(s.failed, script)
}

// coverage says which rules were followed how often, and where tasks ended.
func (s *totals) coverage() string {
	var b strings.Builder
	taken := 0
	for _, tr := range life.Rules() {
		n := s.rules[tr.Rule]
		if n > 0 {
			taken++
		}
		fmt.Fprintf(&b, "\n  %-18s %9d", tr.Rule, n)
	}
	ends := 0
	for _, n := range s.states {
		ends += n
	}
	head := fmt.Sprintf("%d worlds, %d tasks; %d of %d rules followed:", s.worlds, ends, taken, len(life.Rules()))
	states := []string{}
	for state, n := range s.states {
		states = append(states, fmt.Sprintf("%s %d", state, n))
	}
	slices.Sort(states)
	return head + b.String() + "\n  ended: " + strings.Join(states, ", ")
}

// named finds the task in the name of a choice.
var named = regexp.MustCompile(` (k\d+)\b`)

// shorten looks for a short script that breaks the same thing: the fewest choices, by taking halves, quarters and
// so on of them away as long as it still breaks.
func shorten(t *testing.T, p Plan, r Report) string {
	t.Helper()
	end := time.Now().Add(*shrink)
	tries := 0
	breaks := func(only []string) (Report, bool) {
		tries++
		p := p
		p.Only = only
		r := play(t, p)
		return r, len(r.Broken) > 0
	}
	best, known := r, r.Fired
	about := func(own bool) []string { // what concerns the task itself, with or without the whole machine
		return slices.DeleteFunc(slices.Clone(r.Fired), func(key string) bool {
			who := named.FindStringSubmatch(key)
			return who == nil && own || who != nil && who[1] != r.Suspect
		})
	}
	for _, own := range []bool{true, false} {
		if r, ok := breaks(about(own)); ok && r.Suspect != "" {
			best, known = r, r.Fired
			break
		}
	}
	for size := (len(known) + 1) / 2; size > 0 && time.Now().Before(end); {
		smaller := false
		for from := 0; from < len(known) && time.Now().Before(end); from += size {
			less := slices.Concat(known[:from], known[min(len(known), from+size):])
			if r, ok := breaks(less); ok {
				best, known, smaller = r, r.Fired, true
				break
			}
		}
		switch {
		case !smaller && size == 1:
			size = 0
		case !smaller:
			size = max(1, size/2)
		default:
			size = min(size, max(1, len(known)/2))
		}
	}
	return fmt.Sprintf("seed %d breaks:\n  %s\nafter (%d choices, %d at first, %d tries):\n  %s\nThe log says:\n  %s", p.Seed,
		strings.Join(best.Broken[:min(5, len(best.Broken))], "\n  "), len(known), len(r.Fired), tries, strings.Join(known, "\n  "),
		strings.Join(best.Story[max(0, len(best.Story)-80):], "\n  "))
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

func TestASeedPlaysTheSameGameTwice(t *testing.T) {
	t.Parallel()
	p := Plan{Seed: 7, Tasks: 60, Slots: 4, Every: 5 * time.Minute, Faults: 100}
	one, two := play(t, p), play(t, p)
	if one.Events != two.Events || !slices.Equal(one.Fired, two.Fired) {
		t.Errorf("%d events with %d faults, then %d with %d", one.Events, len(one.Fired), two.Events, len(two.Fired))
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
