package fleettest

import (
	"hash/fnv"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Luck makes all random choices. Each choice depends only on the seed and on its own name, not on other events or
// their order. A run can therefore be repeated, also with some of its choices left out.
type Luck struct {
	seed  uint64
	scale int // percent of the faults' own chances; 0 is a world without faults
	odds  map[string]int
	only  map[string]bool // the faults that may occur; nil is all
	often int             // of a thousand kinds of faults, how many are frequent in this world

	mu     sync.Mutex
	counts map[string]int
	calm   bool
	fired  []string
}

// frequent is the chance of a fault that is frequent in a world, in permille.
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

// draw returns a random number for a name.
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

// next returns the name of the next choice of a kind.
func (l *Luck) next(what, who string) string {
	key := what + " " + who
	l.mu.Lock()
	n := l.counts[key]
	l.counts[key] = n + 1
	l.mu.Unlock()
	return key + "#" + strconv.Itoa(n)
}

// Fault reports whether something goes wrong this time. Its chance is given in permille.
func (l *Luck) Fault(what, who string, permille int) bool {
	key := l.next(what, who)
	if odds, other := l.odds[what]; other {
		permille = odds
	} else if permille > 0 && permille < frequent && l.often > 0 && l.draw("often "+what)%1000 < uint64(l.often) { //nolint:gosec // positive
		permille = frequent
	}
	return l.draw(key)%100_000 < uint64(permille*l.scale) && l.fires(key) //nolint:gosec // small and positive
}

// fires reports whether a fault that was drawn may occur, and records it.
func (l *Luck) fires(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calm || l.only != nil && !l.only[key] {
		return false
	}
	l.fired = append(l.fired, key)
	return true
}

// Span returns a random duration up to most. Two of them are almost never equal, so that no two events coincide.
func (l *Luck) Span(what, who string, most time.Duration) time.Duration {
	return time.Duration(l.draw(l.next("for "+what, who))%uint64(most)) + time.Microsecond //nolint:gosec // positive
}

// One returns a random number below n.
func (l *Luck) One(what, who string, n int) int {
	return int(l.draw(l.next("which "+what, who)) % uint64(n)) //nolint:gosec // small and positive
}

// Calm ends all faults.
func (l *Luck) Calm() {
	l.mu.Lock()
	l.calm = true
	l.mu.Unlock()
}

// Fired returns the names of all faults that occurred.
func (l *Luck) Fired() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.fired)
}
