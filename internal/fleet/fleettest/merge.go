package fleettest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"muster/internal/event"
	"muster/internal/fleet"
	"muster/internal/life"
)

// base is the base branch of a repository.
type base struct {
	has     []string            // the work that it has, in order
	commits map[string][]string // the work that each commit has
	green   map[string]bool     // trees that passed the checks
	changed bool                // the files of the queue's worktree, under its checks
}

// base returns the base branch of a task. The caller holds mu.
func (w *World) base(t life.Task) *base {
	if w.bases[t.Spec.Repo] == nil {
		w.bases[t.Spec.Repo] = &base{commits: map[string][]string{}, green: map[string]bool{}}
	}
	return w.bases[t.Spec.Repo]
}

// commit returns the commit that has some work.
func (b *base) commit(has []string) string {
	c := "m" + strings.Join(has, " ")
	b.commits[c] = slices.Clone(has)
	return c
}

func treeOf(has []string) string { return "tree of " + strings.Join(has, " ") }

// Build implements fleet.Merger.
func (e *edges) Build(ctx context.Context, t life.Task, args event.BuildArgs) (m event.MergeBuilt, err error) {
	err = e.actIn(ctx, t.Spec.Repo, "merging", e.w.who(t.ID), func() error {
		b := e.w.base(t)
		if e.w.Luck.Fault("a person commits to the base", e.w.names[t.ID], 50) {
			b.has = append(slices.Clone(b.has), fmt.Sprintf("person/%d", len(b.has)))
		}
		m = event.MergeBuilt{Base: b.commit(b.has), BaseTree: treeOf(b.has)}
		has := slices.Clone(b.has)
		for _, entry := range args.Entries {
			work := string(entry.Task) + "/" + entry.Commit
			switch {
			case slices.Contains(b.has, work):
				m.There = append(m.There, entry.Task)
			case len(b.has) > 0 && e.w.Luck.Fault("work conflicts with the base", e.w.names[entry.Task], 50):
				m.Conflicts = append(m.Conflicts, event.MergeConflict{Task: entry.Task, Files: []string{"a.go"}})
			case len(m.Tasks) > 0 && e.w.Luck.Fault("work conflicts with other work", e.w.names[entry.Task], 50):
				m.Left = append(m.Left, entry.Task)
			default:
				has = append(has, work)
				m.Tasks = append(m.Tasks, entry.Task)
			}
		}
		m.Commit, m.Tree = b.commit(has), treeOf(has)
		return nil
	})
	return m, err
}

// Scratch implements fleet.Merger.
func (e *edges) Scratch(ctx context.Context, t life.Task, id event.QueueID, _ string, inUse bool) (string, error) {
	return "/w/merge " + string(id), e.actIn(ctx, t.Spec.Repo, "making the worktree of a merge queue", e.w.who(t.ID), func() error {
		if !inUse {
			e.w.base(t).changed = false
		}
		return nil
	})
}

// ScratchTree implements fleet.Merger.
func (e *edges) ScratchTree(ctx context.Context, t life.Task, _ string) (tree string, err error) {
	err = e.actIn(ctx, t.Spec.Repo, "reading a tree", e.w.who(t.ID), func() error {
		if tree = t.Round.Tree; e.w.base(t).changed {
			tree = "another tree"
		}
		return nil
	})
	return tree, err
}

// Land implements fleet.Merger.
func (e *edges) Land(ctx context.Context, t life.Task, _ event.QueueID, args event.LandArgs) error {
	return e.actIn(ctx, t.Spec.Repo, "landing", e.w.who(t.ID), func() error {
		b := e.w.base(t)
		switch now := b.commit(b.has); {
		case now == args.New:
			return nil
		case now != args.Old:
			return fleet.ErrMoved
		case e.w.Luck.Fault("the checkout has changes", e.w.names[t.ID], 100):
			return fmt.Errorf("%w: it has changes", fleet.ErrCheckout)
		}
		has := b.commits[args.New]
		if len(t.Spec.Checks) > 0 && !b.green[treeOf(has)] {
			e.w.breach("%s: %s lands, and it is not green", t.ID, args.New)
		}
		if treeOf(has) != args.Tree {
			e.w.breach("%s: %s lands, and its tree is not %s", t.ID, args.New, args.Tree)
		}
		b.has = has
		return nil
	})
}

// judgeMerged checks the merge queues of a fleet that has nothing left to do. The caller holds mu.
func (w *World) judgeMerged() {
	for id, t := range w.judge.tasks {
		p := t.Published
		if t.State != event.Done || t.Spec.Publish != event.PublishMerge || p == nil {
			continue
		}
		if p.Merged == "" || !slices.Contains(w.base(t).has, string(id)+"/"+p.Commit) {
			w.breach("%s is done, and the base does not have its work", id)
		}
	}
	for id, q := range w.judge.queues {
		for _, e := range q.Entries {
			if got, waits := w.judge.tasks[e.Task].MergeEntry(); !waits || got != e {
				w.breach("queue %s has work of %s, which does not wait", id, e.Task)
			}
		}
	}
	for id, t := range w.judge.tasks {
		if e, waits := t.MergeEntry(); waits && !w.judge.queues[life.QueueOf(t)].Has(e) {
			w.breach("%s waits to be merged, and no queue has it", id)
		}
	}
}

// judgeRaces checks the races of a fleet that has nothing left to do. The caller holds mu.
func (w *World) judgeRaces() {
	for id, t := range w.judge.tasks {
		if t.Race == nil {
			continue
		}
		winner := w.judge.tasks[t.Race.Winner]
		if winner.Race == nil || winner.Race.Winner != winner.ID {
			w.breach("%s has lost to %s, which has not won", id, winner.ID)
		}
		if id != winner.ID && (t.State != event.Cancelled || t.Published != nil) {
			w.breach("%s has lost its race, and is %s", id, t.State)
		}
	}
}

// judgeQueue checks an event of a merge queue. The caller holds mu.
func (w *World) judgeQueue(e event.Event) {
	q := w.judge.queues[e.Queue]
	if wrong := life.BrokenQueueBy(q, e); wrong != "" {
		w.breach("queue %s, event %d: %s", e.Queue, e.Seq, wrong)
	}
	q = life.ApplyQueue(q, e)
	w.judge.queues[e.Queue] = q
	if wrong := life.BrokenQueue(q); wrong != "" {
		w.breach("queue %s, event %d: %s", e.Queue, e.Seq, wrong)
	}
}
