package life

import (
	"slices"
	"time"

	"muster/internal/event"
)

const (
	// A red base is looked at after firstBaseLook, which doubles up to longestBaseLook. Each baseRuns-th look runs the
	// checks again: what made them fail may be outside of the tree.
	firstBaseLook   = time.Minute
	longestBaseLook = 10 * time.Minute
	baseRuns        = 6
	// A hold for another reason is over after firstHold, which doubles up to longestHold. A checkout in use is
	// looked at more often, because its owner waits for the work.
	firstHold       = 5 * time.Second
	longestHold     = 5 * time.Minute
	longestCheckout = time.Minute
)

// hold pauses the queue.
func (s *queueStep) hold(p event.MergeHeld) {
	s.emit(p)
	pause := min(firstHold<<min(s.q.Troubles-1, 10), longestHold)
	switch p.For {
	case event.MergeWaitBase:
		pause = s.baseLook()
	case event.MergeWaitCheckout:
		pause = min(pause, longestCheckout)
	case event.MergeWaitTrouble, event.MergeWaitChecks:
	}
	s.emit(event.DeadlineSet{Name: event.DeadlineMerge, At: s.now.Add(pause)})
}

func (s *queueStep) baseLook() time.Duration {
	return min(firstBaseLook<<min(s.q.Held.Looks, 10), longestBaseLook)
}

// awaitBase waits for another base, or for work that mends it. Work whose own evidence is about exactly the merged tree
// lands without a run.
func (s *queueStep) awaitBase() {
	held := *s.q.Held
	if b := s.q.Batch; b != nil && !b.Void && len(b.Tasks) == 1 && b.Base == held.Commit && (s.proven(*b) || s.q.green(*b, b.Tree)) {
		s.proceed(*b)
		return
	}
	for _, e := range s.q.Entries {
		if !slices.Contains(held.Tried, e.Task) {
			s.act(event.BuildArgs{Branch: s.q.Branch, Entries: []event.MergeEntry{e}, Lane: e.Lane, Lead: e.Task})
			return
		}
	}
	s.buildBase(s.q.Entries[0])
}

// builtBase handles a look at the base.
func (s *queueStep) builtBase(b Batch) {
	held := s.q.Held
	switch {
	case held == nil || held.For != event.MergeWaitBase: // settle has it judged
	case b.Base != held.Commit:
		s.emit(event.MergeResumed{})
	case held.Looks%baseRuns == 0 && s.may && len(s.q.Entries) > 0:
		s.judge(b)
	default:
		s.emit(event.DeadlineSet{Name: event.DeadlineMerge, At: s.now.Add(s.baseLook())})
	}
}
