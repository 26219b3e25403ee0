package store

import (
	"cmp"
	"slices"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// liveSet holds the live tasks, see IsLive.
type liveSet struct {
	tasks map[event.TaskID]*life.Task
	order []*life.Task // the same, oldest first
}

func newLiveSet(all []life.Task) *liveSet {
	s := &liveSet{tasks: make(map[event.TaskID]*life.Task, len(all))}
	for _, t := range all {
		s.put(t)
	}
	return s
}

// find returns the position of a task in the order, or the position at which it would be inserted.
func (s *liveSet) find(id event.TaskID) (int, bool) {
	return slices.BinarySearchFunc(s.order, id, func(t *life.Task, id event.TaskID) int { return compareIDs(t.ID, id) })
}

// put adds or replaces a task, or drops it if it is no longer live.
func (s *liveSet) put(t life.Task) {
	if !IsLive(t) {
		s.drop(t.ID)
		return
	}
	i, there := s.find(t.ID)
	if there {
		s.order[i] = &t
	} else {
		s.order = slices.Insert(s.order, i, &t)
	}
	s.tasks[t.ID] = &t
}

func (s *liveSet) drop(id event.TaskID) {
	if _, there := s.tasks[id]; !there {
		return
	}
	delete(s.tasks, id)
	if i, found := s.find(id); found {
		s.order = slices.Delete(s.order, i, i+1)
	}
}

// IsLive reports whether a task needs a supervisor. A removed task is live until every intended action has its
// outcome. A task that only waits for a slot or for a deadline is not live.
func IsLive(t life.Task) bool {
	if t.Removed {
		return len(t.Open) > 0
	}
	return len(t.Open) > 0 || t.Slot || t.Agent.Live || !t.State.Final() && t.State != event.Parked && !t.Waits()
}

// DueAt returns the earliest deadline of a task; zero if it has none, or if it is removed and has no open action.
func DueAt(t life.Task) time.Time {
	if d, ok := nextDeadline(t); ok && (!t.Removed || len(t.Open) > 0) {
		return d.At
	}
	return time.Time{}
}

func compareIDs(a, b event.TaskID) int { return cmp.Compare(a.Number(), b.Number()) }
