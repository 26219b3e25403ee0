package store

import (
	"cmp"
	"slices"

	"muster/internal/event"
	"muster/internal/life"
)

// liveSet holds the tasks that need a supervisor, in the order of their ids.
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

// find tells where a task stands in the order, or would stand.
func (s *liveSet) find(id event.TaskID) (int, bool) {
	return slices.BinarySearchFunc(s.order, id, func(t *life.Task, id event.TaskID) int { return compareIDs(t.ID, id) })
}

// put takes over a task, or drops it if it needs nobody any more.
func (s *liveSet) put(t life.Task) {
	if !isLive(t) {
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

// isLive reports whether a task needs a supervisor. A removed one does until all that was intended has its outcome.
func isLive(t life.Task) bool { return len(t.Open) > 0 || t.Busy() && !t.Removed }

func compareIDs(a, b event.TaskID) int { return cmp.Compare(a.Number(), b.Number()) }
