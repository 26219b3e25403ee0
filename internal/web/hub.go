package web

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/words"
)

const (
	// mostListed is the number of listed tasks that only wait, and of those that have ended.
	mostListed = 1000
	// mostGone bounds what is remembered of removed tasks. A page that is older reads everything anew.
	mostGone = 1000
)

// hub follows the fleet once for all pages. A page asks it what has changed since an event, so that nothing is queued for a page
// that is slow.
type hub struct {
	mu      sync.Mutex
	seq     int64 // the newest event of which the effect is known
	floor   int64 // what was gone before it is not remembered
	tasks   map[event.TaskID]entry
	gone    map[event.TaskID]int64
	last    control.Change // without its tasks
	wrong   string         // why the fleet cannot be followed; "" if it can
	changed chan struct{}  // closed when there is something new
	first   chan struct{}  // closed when the fleet was read once
}

// entry is a task, and the event after which it looks so.
type entry struct {
	task control.Summary
	seq  int64
}

func newHub() *hub {
	return &hub{changed: make(chan struct{}), first: make(chan struct{})}
}

// follow keeps the list up to date until ctx ends.
func (h *hub) follow(ctx context.Context, c *control.Control) {
	c.FollowOn(ctx, control.Follow{Most: mostListed}, h.take)
}

// take takes up a change.
func (h *hub) take(c control.Change, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		if h.wrong != words.Problem(err) {
			h.wrong = words.Problem(err)
			h.tell()
		}
		return
	}
	h.wrong = ""
	if h.tasks == nil {
		h.tasks, h.gone = map[event.TaskID]entry{}, map[event.TaskID]int64{}
		h.floor = c.Seq
		defer close(h.first)
	}
	listed := map[event.TaskID]bool{}
	for _, t := range c.Tasks {
		if t.Removed {
			h.forget(t.ID, c.Seq)
			continue
		}
		listed[t.ID] = true
		old, known := h.tasks[t.ID]
		if known && c.All && reflect.DeepEqual(old.task, t) {
			continue // a whole list has what did not change, too
		}
		delete(h.gone, t.ID)
		h.tasks[t.ID] = entry{task: t, seq: c.Seq}
	}
	if c.All {
		for id := range h.tasks {
			if !listed[id] {
				h.forget(id, c.Seq)
			}
		}
	}
	for id, at := range c.Seen { // looked at is a change of the page
		if e, known := h.tasks[id]; known && !at.Equal(h.last.Seen[id]) {
			h.tasks[id] = entry{task: e.task, seq: max(c.Seq, h.seq+1)}
		}
	}
	h.seq = max(c.Seq, h.seq)
	c.Tasks = nil
	h.last = c
	h.tell()
}

// forget takes a task out of the list.
func (h *hub) forget(id event.TaskID, seq int64) {
	if _, known := h.tasks[id]; !known {
		return
	}
	delete(h.tasks, id)
	h.gone[id] = seq
	if len(h.gone) > mostGone {
		clear(h.gone)
		h.floor = seq
	}
}

// saw notes that a person has looked at a task, of which the log says nothing.
func (h *hub) saw(id event.TaskID, changed time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, known := h.tasks[id]
	if !known {
		return
	}
	seen := maps.Clone(h.last.Seen)
	if seen == nil {
		seen = map[event.TaskID]time.Time{}
	}
	seen[id] = changed
	h.last.Seen, h.tasks[id] = seen, entry{task: e.task, seq: h.seq + 1}
	h.tell()
}

// tell wakes all pages.
func (h *hub) tell() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// next returns a channel that is closed at the next change. A page takes it before it reads, so that it misses nothing.
func (h *hub) next() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed
}

// list is what a page shows of the fleet.
type list struct {
	seq    int64
	whole  bool              // tasks are all of them
	tasks  []control.Summary // that have changed, in the order in which a person looks at them
	gone   []event.TaskID    // that are not listed any more
	groups map[words.Group][]event.TaskID
	fresh  map[event.TaskID]bool // that have ended and were not looked at
	fleet  control.Change
	wrong  string
	cost   float64
}

// since returns what has changed after an event, and the order of all tasks. Before the first change of the hub, and of what is
// older than it remembers, it returns everything.
func (h *hub) since(after int64) list {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := list{seq: h.seq, fleet: h.last, wrong: h.wrong, groups: map[words.Group][]event.TaskID{}, fresh: map[event.TaskID]bool{}}
	l.whole = after < h.floor || after > h.seq || after == 0
	tasks, all := make([]control.Summary, 0, len(h.tasks)), make([]*control.Summary, 0, len(h.tasks))
	for _, e := range h.tasks {
		tasks = append(tasks, e.task) // never more than it has room for, so that pointers into it stay
		t := &tasks[len(tasks)-1]
		all = append(all, t)
		l.cost += t.Usage.CostUSD
		if words.GroupOf(t.State) == words.DoneGroup && t.ChangedAt != nil && h.last.Seen[t.ID].Before(*t.ChangedAt) {
			l.fresh[t.ID] = true
		}
	}
	slices.SortFunc(all, func(a, b *control.Summary) int {
		if f := l.fresh[a.ID]; f != l.fresh[b.ID] && words.GroupOf(a.State) == words.GroupOf(b.State) {
			if f {
				return -1
			}
			return 1
		}
		return words.Compare(a, b)
	})
	if l.whole {
		l.tasks = make([]control.Summary, 0, len(all))
	}
	for _, t := range all {
		g := words.GroupOf(t.State)
		l.groups[g] = append(l.groups[g], t.ID)
		if l.whole || h.tasks[t.ID].seq > after {
			l.tasks = append(l.tasks, *t)
		}
	}
	for id, seq := range h.gone {
		if seq > after {
			l.gone = append(l.gone, id)
		}
	}
	slices.Sort(l.gone)
	return l
}

// task returns a task of the list.
func (h *hub) task(id event.TaskID) (control.Summary, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, known := h.tasks[id]
	return e.task, known
}

// repos returns the checkouts of the listed tasks.
func (h *hub) repos() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := map[string]bool{}
	for _, e := range h.tasks {
		if e.task.Repo != "" {
			found[e.task.Repo] = true
		}
	}
	return slices.Collect(maps.Keys(found))
}

// reach waits until the effect of an event is in the list, but not for long: a page that is behind says what it knows.
func (h *hub) reach(ctx context.Context, seq int64) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	for {
		due := h.next()
		h.mu.Lock()
		there := h.tasks != nil && h.seq >= seq
		h.mu.Unlock()
		if there {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-due:
		}
	}
}
