package tui

import (
	"slices"
	"strings"
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/words"
)

// list is the list of tasks with its cursor, which follows its task and not its place.
type list struct {
	all    map[event.TaskID]*control.Summary
	seen   map[event.TaskID]time.Time
	rows   []row
	cursor event.TaskID
	at     int // the row of the cursor
	top    int // the first row that is shown
	filter string
	counts map[words.Group]int
	fresh  int // ended tasks that nobody has looked at
}

// row is a heading or a task.
type row struct {
	group words.Group
	task  *control.Summary // nil for a heading
}

// change takes up what has changed.
func (l *list) change(c control.Change) {
	if c.All || l.all == nil {
		l.all = make(map[event.TaskID]*control.Summary, len(c.Tasks))
	}
	for i := range c.Tasks {
		t := &c.Tasks[i]
		if t.Removed {
			delete(l.all, t.ID)
		} else {
			l.all[t.ID] = t
		}
	}
	l.seen = c.Seen
	l.arrange()
}

// isNew reports whether an ended task was not looked at since it ended.
func (l *list) isNew(t *control.Summary) bool {
	return words.GroupOf(t.State) == words.DoneGroup && t.ChangedAt != nil && l.seen[t.ID].Before(*t.ChangedAt)
}

// arrange makes the rows. The cursor keeps its task and its place on the screen.
func (l *list) arrange() {
	tasks := make([]*control.Summary, 0, len(l.all))
	l.counts, l.fresh = map[words.Group]int{}, 0
	for _, t := range l.all {
		l.counts[words.GroupOf(t.State)]++
		if l.isNew(t) {
			l.fresh++
		}
		if l.matches(t) {
			tasks = append(tasks, t)
		}
	}
	slices.SortFunc(tasks, func(a, b *control.Summary) int {
		if fresh := l.isNew(a); fresh != l.isNew(b) && words.GroupOf(a.State) == words.GroupOf(b.State) {
			if fresh {
				return -1
			}
			return 1
		}
		return words.Compare(a, b)
	})
	onScreen, was := l.at-l.top, l.at
	l.rows = l.rows[:0]
	for _, g := range words.Groups() {
		head := false
		for _, t := range tasks {
			if words.GroupOf(t.State) != g {
				continue
			}
			if !head {
				l.rows, head = append(l.rows, row{group: g}), true
			}
			if g != words.CancelledGroup || l.filter != "" { // folded otherwise
				l.rows = append(l.rows, row{group: g, task: t})
			}
		}
	}
	l.at = slices.IndexFunc(l.rows, func(r row) bool { return r.task != nil && r.task.ID == l.cursor })
	if l.at < 0 { // the task is gone: the nearest one is next
		l.at, l.cursor = 0, ""
		l.place(was)
	}
	l.top = max(0, l.at-onScreen)
}

// matches reports whether a task passes the filter: each of its words is in the name, the id, the state, the agent or the
// description; with ! before it, it is not.
func (l *list) matches(t *control.Summary) bool {
	hay := ""
	for word := range strings.FieldsSeq(strings.ToLower(l.filter)) {
		if hay == "" {
			hay = strings.ToLower(strings.Join([]string{string(t.ID), t.Name, string(t.State), string(t.Reason), t.Agent, t.Repo, words.About(t)}, "\x00"))
		}
		not := strings.HasPrefix(word, "!") && len(word) > 1
		if strings.Contains(hay, strings.TrimPrefix(word, "!")) == not {
			return false
		}
	}
	return true
}

// place puts the cursor on the task nearest to a row.
func (l *list) place(at int) {
	for d := range len(l.rows) + 1 {
		for _, i := range []int{at + d, at - d} {
			if i >= 0 && i < len(l.rows) && l.rows[i].task != nil {
				l.at, l.cursor = i, l.rows[i].task.ID
				return
			}
		}
	}
}

// move moves the cursor by a number of tasks.
func (l *list) move(by int) {
	step := 1
	if by < 0 {
		step, by = -1, -by
	}
	for i := l.at + step; i >= 0 && i < len(l.rows) && by > 0; i += step {
		if l.rows[i].task != nil {
			l.at, l.cursor = i, l.rows[i].task.ID
			by--
		}
	}
}

// selected returns the task under the cursor; nil if there is none.
func (l *list) selected() *control.Summary { return l.all[l.cursor] }

// show moves the cursor to a task, if it is listed.
func (l *list) show(id event.TaskID) {
	if i := slices.IndexFunc(l.rows, func(r row) bool { return r.task != nil && r.task.ID == id }); i >= 0 {
		l.at, l.cursor = i, id
	}
}

// window returns the rows that are shown in a number of lines.
func (l *list) window(height int) []row {
	if height <= 0 {
		return nil
	}
	first := l.at
	if first > 0 && l.rows[first-1].task == nil {
		first-- // the heading of the first task of a group belongs to it
	}
	l.top = min(l.top, first)
	l.top = max(l.top, l.at-height+1)
	l.top = max(0, min(l.top, len(l.rows)-height))
	return l.rows[l.top:min(len(l.rows), l.top+height)]
}

// asking returns the tasks with a request that a person can answer, in the order in which they should be looked at, whatever
// the filter and the order of the list.
func (l *list) asking() []*control.Summary {
	var out []*control.Summary
	for _, t := range l.all {
		if words.Asks(t) {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, words.Compare)
	return out
}

// next returns the task that follows id among those that ask, or the one before it; nil if none asks.
func (l *list) next(id event.TaskID, back bool) *control.Summary {
	all := l.asking()
	if len(all) == 0 {
		return nil
	}
	i := slices.IndexFunc(all, func(t *control.Summary) bool { return t.ID == id })
	switch {
	case i < 0:
		return all[0]
	case back:
		return all[(i+len(all)-1)%len(all)]
	}
	return all[(i+1)%len(all)]
}

// cost returns what the listed tasks cost, in dollars.
func (l *list) cost() (sum float64) {
	for _, t := range l.all {
		sum += t.Usage.CostUSD
	}
	return sum
}
