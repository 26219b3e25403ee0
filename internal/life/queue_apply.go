package life

import (
	"slices"

	"muster/internal/event"
)

// ApplyQueue folds an event into a merge queue. Like Apply it decides nothing.
func ApplyQueue(q Queue, e event.Event) Queue {
	q.ID = e.Queue
	switch p := e.Data.(type) {
	case event.MergeJoined:
		q.Branch, q.GitDir = p.Branch, p.GitDir
		q.Entries = append(slices.Clone(q.Entries), p.Entry)
	case event.MergeWithdrawn:
		q = gone(q, p.Task)
	case event.MergeReturned:
		q = gone(q, p.Task)
		q.Red, q.Suspects = nil, 0
	case event.MergeBuilt:
		q = builtFold(q, p)
	case event.MergeJudged:
		q = judgedFold(q, p)
	case event.MergeLanded:
		q = landedFold(q, e, p)
	case event.MergeHeld:
		if q.Held == nil || q.Held.For != p.For || q.Held.Commit != p.Commit {
			q.Held = &QueueHeld{Since: e.Time}
		}
		held := *q.Held
		held.MergeHeld = p
		q.Held, q.Batch = &held, keptBatch(q, p)
		q.Troubles++
		q.Voids = 0
	case event.MergeResumed:
		q.Held, q.Troubles, q.Suspects, q.Batch = nil, 0, 0, nil
	case event.JobStarted:
		q.Run = &p
	case event.ActionIntended:
		q.Open = append(slices.Clone(q.Open), p.Action)
		q.LastAction++
		if p.Action.Kind() == event.ActBuild {
			q.Batch = nil
		}
	case event.ActionFinished:
		q.Open = without(q.Open, func(a event.Action) bool { return a.ID == p.ID })
	case event.DeadlineSet:
		q.Deadlines = withDeadline(q.Deadlines, Deadline(p))
	case event.DeadlineCleared:
		q.Deadlines = withoutDeadline(q.Deadlines, p.Name)
	}
	return q
}

// keptBatch returns the batch of a queue that is held. It is kept only while it waits for a checkout: everything else is
// built again.
func keptBatch(q Queue, p event.MergeHeld) *Batch {
	if p.For == event.MergeWaitCheckout {
		return q.Batch
	}
	return nil
}

// gone takes the work of a task out of a queue. What is known of others together with it says nothing about them alone.
func gone(q Queue, id event.TaskID) Queue {
	n := q.Place(id)
	if n == 0 {
		return q
	}
	if n <= q.Suspects {
		q.Suspects = 0
	}
	q.Entries = without(q.Entries, func(e event.MergeEntry) bool { return e.Task == id })
	if q.Batch != nil && slices.Contains(q.Batch.Tasks, id) {
		b := *q.Batch
		b.Void = true
		q.Batch = &b
	}
	return q
}

func builtFold(q Queue, p event.MergeBuilt) Queue {
	b := Batch{MergeBuilt: p}
	for _, a := range q.Open {
		if args, ok := a.Args.(event.BuildArgs); ok {
			b.Lane, b.Fresh = args.Lane, args.Fresh
		}
	}
	for _, id := range p.Tasks {
		b.Void = b.Void || q.Place(id) == 0
	}
	if len(p.Tasks) > 0 || len(p.Left)+len(p.Conflicts)+len(p.There) == 0 {
		q.Batch = &b
	}
	if q.Base != p.Base { // what was red there says nothing here
		q.Base, q.Suspects = p.Base, 0
	}
	if held := q.Held; held != nil && held.For == event.MergeWaitBase {
		h := *held
		h.Tried = slices.Concat(held.Tried, p.Tasks, p.Left)
		if len(p.Tasks)+len(p.Left)+len(p.Conflicts)+len(p.There) == 0 {
			h.Looks++
		}
		q.Held = &h
	}
	return q
}

func judgedFold(q Queue, p event.MergeJudged) Queue {
	if p.Void != "" {
		q.Voids++
		return q
	}
	q.Voids = 0
	if q.Held != nil && q.Held.For != event.MergeWaitBase {
		q.Held, q.Troubles = nil, 0
	}
	if p.Most > 0 {
		q.Most = p.Most
	}
	var b Batch
	if q.Batch != nil {
		b = *q.Batch
		b.Environment = p.Environment // it may have changed since the batch was built
		q.Batch = &b
	}
	if allGreen(p.Results) {
		q.Greens = remembered(q.Greens, evidence(b, p.Tree))
		if len(p.Tasks) == 0 {
			q.Held, q.Troubles, q.Batch = nil, 0, nil
		}
		return q
	}
	q.Red, q.Batch = &Red{MergeJudged: p, Lane: b.Lane}, nil
	if len(p.Tasks) == 0 || b.Void {
		return q
	}
	var front, rest []event.MergeEntry
	for _, e := range q.Entries {
		if slices.Contains(p.Tasks, e.Task) {
			front = append(front, e)
		} else {
			rest = append(rest, e)
		}
	}
	q.Entries, q.Suspects = append(front, rest...), len(front)
	return q
}

func landedFold(q Queue, e event.Event, p event.MergeLanded) Queue {
	for _, id := range p.Tasks {
		if q.Place(id) == 0 {
			continue
		}
		if q.Place(id) <= q.Suspects {
			q.Suspects--
		}
		q.Entries = without(q.Entries, func(e event.MergeEntry) bool { return e.Task == id })
	}
	q.Lately = append(slices.Clone(q.Lately), p.Tasks...)
	q.Lately = q.Lately[max(0, len(q.Lately)-keptLanded):]
	if p.Old == p.New {
		return q // the base had it already
	}
	if q.Batch != nil {
		q.Greens = remembered(q.Greens, evidence(*q.Batch, p.Tree))
	}
	q.Base, q.Batch, q.Held, q.Troubles, q.LandedAt = p.New, nil, nil, 0, e.Time
	if p.Most > 0 {
		q.Most = p.Most
	}
	return q
}

// remembered returns a list with one more name at its end.
func remembered(all []string, name string) []string {
	all = append(slices.DeleteFunc(slices.Clone(all), func(s string) bool { return s == name }), name)
	return all[max(0, len(all)-keptGreens):]
}

// BrokenQueue returns which invariant a queue violates; "" if none.
func BrokenQueue(q Queue) string {
	switch {
	case len(q.Open) > 1:
		return "two actions of a queue are open"
	case q.Suspects < 0 || q.Suspects > len(q.Entries):
		return "more entries are suspects than there are"
	}
	seen := map[event.TaskID]bool{}
	for _, e := range q.Entries {
		if seen[e.Task] {
			return "a task is in it twice"
		}
		seen[e.Task] = true
	}
	return ""
}

// BrokenQueueBy returns which invariant the next event of a queue violates; "" if none: nothing lands without a green
// verdict for exactly its tree.
func BrokenQueueBy(q Queue, e event.Event) string {
	switch p := e.Data.(type) {
	case event.ActionIntended:
		land, ok := p.Action.Args.(event.LandArgs)
		if !ok {
			return ""
		}
		b := q.Batch
		s := queueStep{q: q}
		switch {
		case b == nil || b.Void || b.Commit != land.New || b.Base != land.Old || b.Tree != land.Tree:
			return "something lands that was not built"
		case !q.green(*b, b.Tree) && !s.proven(*b):
			return "a tree lands without a green verdict"
		}
	case event.ActionFinished:
		if _, open := q.action(p.ID); !open {
			return "an action ends that was never intended"
		}
	}
	return ""
}
