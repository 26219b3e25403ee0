package fleettest

import (
	"hash/fnv"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Luck decides all that is left to chance. Each choice is drawn from the seed and its own name and from nothing else,
// so that what else happens, or in which order, does not change it: a run can be played again, and with some of its
// choices taken away.
type Luck struct {
	seed  uint64
	scale int // percent of the faults' own chances; 0 is a world without faults
	odds  map[string]int
	only  map[string]bool // the choices that may go against the plan; nil: all
	often int             // of a thousand sorts of faults, how many are frequent in this world

	mu     sync.Mutex
	counts map[string]int
	calm   bool
	fired  []string
}

// frequent is the chance of a fault that is frequent in a world, of a thousand.
const frequent = 150

func newLuck(p Plan) *Luck {
	l := &Luck{seed: p.Seed, scale: p.Faults, odds: p.Odds, often: p.Often, counts: map[string]int{}}
	if p.Only != nil {
		l.only = map[string]bool{}
		for _, key := range p.Only {
			l.only[key] = true
		}
	}
	return l
}

// draw gives a number for a name.
func (l *Luck) draw(key string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, key)
	x := h.Sum64() ^ l.seed*0x9e3779b97f4a7c15
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// next names the next choice of a sort.
func (l *Luck) next(what, who string) string {
	key := what + " " + who
	l.mu.Lock()
	n := l.counts[key]
	l.counts[key] = n + 1
	l.mu.Unlock()
	return key + "#" + strconv.Itoa(n)
}

// Fault reports whether something goes against the plan this time, which it does so many times of a thousand.
func (l *Luck) Fault(what, who string, permille int) bool {
	key := l.next(what, who)
	if odds, other := l.odds[what]; other {
		permille = odds
	} else if permille > 0 && permille < frequent && l.often > 0 && l.draw("often "+what)%1000 < uint64(l.often) { //nolint:gosec // positive
		permille = frequent
	}
	return l.draw(key)%100_000 < uint64(permille*l.scale) && l.fires(key) //nolint:gosec // small and positive
}

// fires reports whether a choice that was drawn may be made, and notes it.
func (l *Luck) fires(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calm || l.only != nil && !l.only[key] {
		return false
	}
	l.fired = append(l.fired, key)
	return true
}

// Span is a duration up to most, never twice the same: no two things happen at the same instant by chance.
func (l *Luck) Span(what, who string, most time.Duration) time.Duration {
	return time.Duration(l.draw(l.next("for "+what, who))%uint64(most)) + time.Microsecond //nolint:gosec // positive
}

// One of so many.
func (l *Luck) One(what, who string, n int) int {
	return int(l.draw(l.next("which "+what, who)) % uint64(n)) //nolint:gosec // small and positive
}

// Calm lets nothing go wrong any more.
func (l *Luck) Calm() {
	l.mu.Lock()
	l.calm = true
	l.mu.Unlock()
}

// Fired lists what went against the plan.
func (l *Luck) Fired() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.fired)
}
