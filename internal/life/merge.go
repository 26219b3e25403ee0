package life

import (
	"fmt"
	"slices"
	"strings"

	"muster/internal/event"
	"muster/internal/text"
)

// Merged is an input of Decide: the base branch has the work of the task, in this commit.
type Merged struct{ Commit string }

// Unmerged is an input of Decide: the merge queue gives the work back to its agent.
type Unmerged struct {
	Why     event.MergeWhy
	Branch  string              // the base
	Files   []string            // in conflict
	Results []event.CheckResult // red ones among them
	With    []event.TaskID      // whose work has landed lately
}

func (Merged) input()   {}
func (Unmerged) input() {}

// MergeEntry returns what the merge queue gets of a task; false if its work does not wait to be merged.
func (t Task) MergeEntry() (event.MergeEntry, bool) {
	p := t.Published
	if t.State != event.InReview || t.Stopping || p == nil || p.Mode != event.PublishMerge || p.Merged != "" {
		return event.MergeEntry{}, false
	}
	e := event.MergeEntry{Task: t.ID, Commit: p.Commit, Tree: p.Tree, Lane: lane(t.Spec)}
	if last := t.Rounds.Last; last != nil && last.Tree == p.Tree && reusable(*last) {
		e.Environment = last.Environment
	}
	return e, true
}

// QueueInput returns what a queue must be told about a task; nil if it is nothing.
func QueueInput(q Queue, t Task) Input {
	e, waits := t.MergeEntry()
	switch {
	case waits && !q.Has(e):
		return MergeJoin{Entry: e, Branch: t.Spec.Base, GitDir: t.Spec.GitDir}
	case !waits && q.Place(t.ID) > 0:
		return MergeLeave{Task: t.ID, State: t.State}
	}
	return nil
}

// enqueue continues from work that is on its branch to the merge queue of its base.
func (s *step) enqueue() { s.awaitOthers(ruleMergeQueued, "it waits to be merged into "+s.t.Spec.Base) }

// merged handles that the base has the work, also if the task has not waited for it any more.
func (s *step) merged(in Merged) {
	p := s.t.Published
	if p == nil || p.Mode != event.PublishMerge || p.Merged == in.Commit {
		return
	}
	landed := *p
	landed.Merged = in.Commit
	s.emit(landed)
	if s.t.State == event.InReview && !s.t.Stopping && !s.open(event.ActClean) {
		s.act(event.CleanArgs{})
	}
}

// unmerged gives work that cannot be merged back to the agent, which continues in its conversation with a slot.
func (s *step) unmerged(in Unmerged) {
	if _, waits := s.t.MergeEntry(); !waits {
		return
	}
	s.emit(event.MessageQueued{Message: s.nextMessage(), Text: in.text(s.t.Spec.Fence != nil), Why: event.WhyFeedback})
	if s.t.Rounds.Spent >= s.t.Spec.Rounds {
		s.park(ruleMergeRefused, event.Reason(in.Why), in.detail()+", and "+usedUp(s.t.Rounds.Spent, "round"))
		return
	}
	s.emit(event.NextPlanned{Why: event.WhyFeedback})
	s.clearAll()
	s.move(ruleMergeReturned, event.Reason(in.Why), in.detail())
}

// detail describes in a few words why work was given back.
func (in Unmerged) detail() string {
	if in.Why == event.MergeConflicts {
		return "it conflicts with " + in.Branch + " in " + text.Some(in.Files, 5)
	}
	return redNames(in.Results) + " failed together with what " + in.Branch + " has by now"
}

// redNames returns the names of the checks that failed.
func redNames(results []event.CheckResult) string {
	var red []string
	for _, r := range results {
		if !r.Green() {
			red = append(red, r.Name)
		}
	}
	return strings.Join(red, ", ")
}

// text describes to the agent why its work was given back, and what to do.
func (in Unmerged) text(fenced bool) string {
	var b strings.Builder
	if in.Why == event.MergeConflicts {
		fmt.Fprintf(&b, "Your work passes its checks, but it cannot be merged: the branch %s has moved on, and these files conflict:\n", in.Branch)
		for _, f := range in.Files {
			b.WriteString("\n- " + text.Field(f, 300))
		}
		fmt.Fprintf(&b, "\n\nRun `git merge %s`, resolve the conflicts so that both sides keep their intent, and commit the merge.", in.Branch)
	} else {
		fmt.Fprintf(&b, "Your work passes its checks alone, but not together with what the branch %s has by now", in.Branch)
		if len(in.With) > 0 {
			b.WriteString(" (merged lately: " + list(slices.Compact(slices.Clone(in.With))) + ")")
		}
		b.WriteString(".\n" + failures(in.Results, fenced))
		fmt.Fprintf(&b, "\nRun `git merge %s` to have it all, and mend it there. `muster check` runs the checks.", in.Branch)
	}
	b.WriteString(" Then end your turn.")
	return b.String()
}
