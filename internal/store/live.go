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
	order []event.TaskID
}

func newLiveSet(all []life.Task) *liveSet {
	s := &liveSet{tasks: make(map[event.TaskID]*life.Task, len(all))}
	for _, t := range all {
		s.put(t)
	}
	return s
}

// put takes over a task, or drops it if it needs nobody any more.
func (s *liveSet) put(t life.Task) {
	_, there := s.tasks[t.ID]
	switch {
	case isLive(t):
		s.tasks[t.ID] = &t
		if !there {
			i, _ := slices.BinarySearchFunc(s.order, t.ID, compareIDs)
			s.order = slices.Insert(s.order, i, t.ID)
		}
	case there:
		s.drop(t.ID)
	}
}

func (s *liveSet) drop(id event.TaskID) {
	if _, there := s.tasks[id]; !there {
		return
	}
	delete(s.tasks, id)
	if i, found := slices.BinarySearchFunc(s.order, id, compareIDs); found {
		s.order = slices.Delete(s.order, i, i+1)
	}
}

func isLive(t life.Task) bool { return t.Busy() && !t.Removed }

func compareIDs(a, b event.TaskID) int { return cmp.Compare(a.Number(), b.Number()) }
