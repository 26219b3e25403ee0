package event

import "slices"

// Race makes a task one of several with the same order. Only the best one is published.
type Race struct {
	Tasks []TaskID `json:"tasks"` // all of them, in the order of their dispatch
}

// Others returns the other tasks of a race.
func (r Race) Others(id TaskID) []TaskID {
	return slices.DeleteFunc(slices.Clone(r.Tasks), func(t TaskID) bool { return t == id })
}

// Place returns the position of a task, from 1 on.
func (r Race) Place(id TaskID) int { return slices.Index(r.Tasks, id) + 1 }
