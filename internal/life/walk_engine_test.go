package life

import (
	"fmt"
	"hash/maphash"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"muster/internal/event"
)

// walk explores all states, breadth first. For each state it stores 128 bits of its key, and the state and the move
// by which it was first reached. It finds the place again by repeating the moves, most of which neighbours have in
// common.
type walk struct {
	t       *testing.T
	start   place
	errands bool
	seeds   [2]maphash.Seed
	number  map[[2]uint64]int32 // of each state
	parent  []int32             // the state from which it was first reached; -1 for the start
	by      []uint16            // and by which move
	rests   []bool
	edges   [both][][2]int32 // of good and of bad outcomes: from, to
	steps   int
	layers  int
	rows    map[row]bool
	told    int // progress that was printed, in tens of millions of steps

	twins map[int32]place // some places, to be compared with others that have the same key; nil: none
}

func newWalk(t *testing.T, start place, errands bool) *walk {
	return &walk{
		t: t, start: start, errands: errands, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		number: map[[2]uint64]int32{}, rows: map[row]bool{},
	}
}

func (w *walk) id(p *place) [2]uint64 {
	b := p.key()
	return [2]uint64{maphash.Bytes(w.seeds[0], b), maphash.Bytes(w.seeds[1], b)}
}

func (p *place) rests() bool {
	return (p.task.State.Final() || p.task.State == event.Parked) && len(p.task.Open) == 0
}

// found is a move from a state, as a worker found it.
type found struct {
	key   [2]uint64
	by    uint16
	sure  sure
	rests bool
	place *place // set only if twins are compared
}

// chunk is the work of a worker: some states of a layer, and the moves from each.
type chunk struct {
	from  int32
	found [][]found
	rows  map[row]bool
	wrong string // what is wrong with the last move; "" if nothing is
}

const chunkSize = 256

// run explores layer after layer. Workers explore the chunks of a layer. Their results are numbered here in the order
// of the layer, so that every walk is the same and the first way to a state is a shortest one.
func (w *walk) run() {
	w.reach(found{key: w.id(&w.start), rests: w.start.rests()}, -1)
	for from := 0; from < len(w.parent); w.layers++ {
		to := len(w.parent)
		w.layer(from, to)
		from = to
	}
}

func (w *walk) layer(from, to int) {
	chunks := make([]chan chunk, (to-from+chunkSize-1)/chunkSize)
	for i := range chunks {
		chunks[i] = make(chan chunk, 1)
	}
	workers := runtime.GOMAXPROCS(0)
	ahead := make(chan struct{}, 4*workers) // bounds the chunks that wait to be numbered
	parent, by := w.parent[:to], w.by[:to]
	var next atomic.Int32
	for range min(workers, len(chunks)) {
		go func() {
			c := newCursor(w, parent, by)
			for {
				ahead <- struct{}{}
				i := int(next.Add(1)) - 1
				if i >= len(chunks) {
					<-ahead
					return
				}
				first := from + i*chunkSize
				chunks[i] <- c.explore(first, min(to, first+chunkSize))
			}
		}()
	}
	for _, done := range chunks {
		c := <-done
		<-ahead
		w.take(c)
	}
}

// take numbers the states in a worker's result.
func (w *walk) take(c chunk) {
	for i, all := range c.found {
		from := c.from + int32(i) //nolint:gosec // far below
		for _, f := range all {
			to := w.reach(f, from)
			for by := good; by <= bad; by++ {
				if f.sure&by != 0 {
					w.edges[by] = append(w.edges[by], [2]int32{from, to})
				}
			}
		}
		w.steps += len(all)
	}
	maps.Copy(w.rows, c.rows)
	if c.wrong != "" {
		w.t.Fatal(c.wrong)
	}
	if million := w.steps / 10_000_000; million > w.told {
		w.told = million
		fmt.Printf("  %d states, %d steps\n", len(w.parent), w.steps)
	}
}

// reach returns the number of a state.
func (w *walk) reach(f found, from int32) int32 {
	if n, ok := w.number[f.key]; ok {
		if twin, kept := w.twins[n]; kept {
			w.compare(twin, *f.place)
		}
		return n
	}
	n := int32(len(w.parent)) //nolint:gosec // far below
	w.number[f.key] = n
	w.parent, w.by, w.rests = append(w.parent, from), append(w.by, f.by), append(w.rests, f.rests)
	if w.twins != nil && n%50 == 1 {
		w.twins[n] = *f.place
	}
	return n
}

// cursor goes to a state by the way on which it was first reached.
type cursor struct {
	w      *walk
	parent []int32
	by     []uint16
	path   []int32 // the states on the way to the last one
	places []place // and their places
	there  place
}

func newCursor(w *walk, parent []int32, by []uint16) *cursor {
	return &cursor{w: w, parent: parent, by: by, path: []int32{0}, places: []place{w.start}}
}

// goTo returns the place of a state. It is valid until the next call.
func (c *cursor) goTo(n int32) *place {
	var way []int32
	have := len(c.path)
	for at := n; ; at = c.parent[at] { // numbers grow along each way
		for have > 0 && c.path[have-1] > at {
			have--
		}
		if have > 0 && c.path[have-1] == at {
			break
		}
		way = append(way, at)
	}
	c.path, c.places = c.path[:have], c.places[:have]
	for _, at := range slices.Backward(way) {
		p := c.places[len(c.places)-1]
		p.moves(c.w.errands)[c.by[at]].do(&p)
		c.path, c.places = append(c.path, at), append(c.places, p)
	}
	return &c.places[len(c.places)-1]
}

// explore makes all moves from some states, and checks each.
func (c *cursor) explore(from, to int) chunk {
	out := chunk{from: int32(from), rows: map[row]bool{}} //nolint:gosec // far below
	for n := out.from; int(n) < to; n++ {
		here := c.goTo(n)
		all := make([]found, 0, 32)
		for i, m := range here.moves(c.w.errands) {
			c.there = *here
			c.there.rows = out.rows
			wrong := m.do(&c.there)
			if wrong == "" {
				wrong = Broken(c.there.task)
			}
			f := found{key: c.w.id(&c.there), by: uint16(i), sure: m.sure, rests: c.there.rests()} //nolint:gosec // far below
			if wrong == "" && m.name == nothing && f.key != c.w.id(here) {
				wrong = "something follows from nothing"
			}
			if wrong != "" {
				out.wrong = fmt.Sprintf("%s\n%s\nbefore: %s\nafter: %s", wrong, c.script(n, m.name), asJSON(here.task), asJSON(c.there.task))
				return out
			}
			if c.w.twins != nil {
				p := c.there
				f.place = &p
			}
			all = append(all, f)
		}
		out.found = append(out.found, all)
	}
	return out
}

// script returns the shortest way to a state, in words.
func (c *cursor) script(n int32, last string) string {
	c.goTo(n)
	var b strings.Builder
	for i, at := range c.path[1:] {
		name := c.places[i].moves(c.w.errands)[c.by[at]].name
		fmt.Fprintf(&b, "%3d. %s → %s\n", i+1, name, c.places[i+1].task.State)
	}
	fmt.Fprintf(&b, "     %s", last)
	return b.String()
}

// stuck returns the first state from which such moves lead to no rest; -1 if there is none.
func (w *walk) stuck(by sure) int32 {
	ends := slices.Clone(w.rests)
	for more := true; more; {
		more = false
		for _, e := range slices.Backward(w.edges[by]) {
			if ends[e[1]] && !ends[e[0]] {
				ends[e[0]], more = true, true
			}
		}
	}
	return int32(slices.Index(ends, false)) //nolint:gosec // far below
}

// compare checks that two places with the same key are equivalent: the same moves lead to the same places.
func (w *walk) compare(a, b place) {
	ways := func(p place) (out []string) {
		for _, m := range p.moves(w.errands) {
			at := p
			m.do(&at)
			to := string(at.key())
			if to == string(p.key()) { // a move that changes nothing may be missing in one place
				continue
			}
			if !p.task.State.Final() && !p.task.Stopping { // in a final or stopping task only the results of the moves must be the same
				to = strings.TrimRight(m.name, "0123456789") + ": " + to
			}
			out = append(out, to)
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	if one, other := ways(a), ways(b); !slices.Equal(one, other) {
		w.t.Fatalf("two places have one key and go different ways:\n%s\n%s\n%s", asJSON(a.task), asJSON(b.task), differs(one, other))
	}
}
