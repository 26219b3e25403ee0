package daemon

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/event"
	"muster/internal/fleet"
	"muster/internal/git"
	"muster/internal/life"
	"muster/internal/text"
)

// Build implements fleet.Merger.
func (w worktrees) Build(ctx context.Context, t life.Task, args event.BuildArgs) (event.MergeBuilt, error) {
	repo, err := w.open(ctx, t)
	if err != nil {
		return event.MergeBuilt{}, err
	}
	linear := t.Spec.Style == event.MergeStyleLinear
	spec := git.MergeSpec{Branch: args.Branch, Linear: linear, Message: func(names []string) string { return w.mergeMessage(ctx, names, args.Branch) }}
	if linear {
		spec.Message = func(names []string) string { return w.workMessage(ctx, repo, event.TaskID(names[0]), args) }
	}
	for _, e := range args.Entries {
		spec.Work = append(spec.Work, git.MergeWork{Name: string(e.Task), Commit: e.Commit})
	}
	m, err := repo.MergeOnto(ctx, spec)
	if err != nil {
		return event.MergeBuilt{}, err
	}
	built := event.MergeBuilt{
		Base: m.Base, BaseTree: m.BaseTree, Commit: m.Commit, Tree: m.Tree,
		Tasks: taskIDs(m.Merged), Left: taskIDs(m.Left), There: taskIDs(m.There),
	}
	for _, c := range m.Conflicts {
		built.Conflicts = append(built.Conflicts, event.MergeConflict{Task: event.TaskID(c.Name), Files: c.Files})
	}
	return built, nil
}

func taskIDs(names []string) (ids []event.TaskID) {
	for _, n := range names {
		ids = append(ids, event.TaskID(n))
	}
	return ids
}

// mergeMessage returns the message of the commit that merges the work of tasks.
func (w worktrees) mergeMessage(ctx context.Context, ids []string, branch string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Merge %s into %s\n\n", strings.Join(ids, ", "), branch)
	for _, id := range ids {
		if t, err := w.other(ctx, event.TaskID(id)); err == nil {
			fmt.Fprintf(&b, "%s: %s\n", id, t.Spec.Name)
		}
	}
	b.WriteString("\n")
	for _, id := range ids {
		b.WriteString("Muster-Task: " + id + "\n")
	}
	return b.String()
}

// workMessage returns the message of the commit that has the work of a task in a linear history. Subjects are an agent's words, so none
// of them begins a line, as a trailer does.
func (w worktrees) workMessage(ctx context.Context, repo *git.Repo, id event.TaskID, args event.BuildArgs) string {
	const most = 50
	var b strings.Builder
	name := string(id)
	if t, err := w.other(ctx, id); err == nil {
		name = t.Spec.Name
	}
	fmt.Fprintf(&b, "%s (%s)\n\n", name, id)
	for _, e := range args.Entries {
		if e.Task != id {
			continue
		}
		commits, err := repo.Log(ctx, "refs/heads/"+args.Branch, e.Commit)
		if err != nil {
			commits = nil // the commit is made without them
		}
		slices.Reverse(commits)
		for _, c := range commits[:min(len(commits), most)] {
			fmt.Fprintf(&b, "* %s\n", text.Field(c.Subject, maxSubject))
		}
		fmt.Fprintf(&b, "\nMuster-Commit: %s\n", e.Commit)
	}
	b.WriteString("Muster-Task: " + string(id) + "\n")
	return b.String()
}

// maxSubject bounds the subject of a commit in the message of another one.
const maxSubject = 200

// scratch returns the path of the worktree of a merge queue.
func (w worktrees) scratch(id event.QueueID) string {
	sum := sha256.Sum256([]byte(id))
	return filepath.Join(w.home.WorktreesDir(), fmt.Sprintf("merge-%x", sum[:6]))
}

// Scratch implements fleet.Merger.
func (w worktrees) Scratch(ctx context.Context, t life.Task, id event.QueueID, commit string, inUse bool) (string, error) {
	path := w.scratch(id)
	if inUse {
		return path, nil
	}
	repo, err := w.open(ctx, t)
	if err != nil {
		return path, err
	}
	if err := repo.Scratch(ctx, path, commit); err != nil {
		return path, err
	}
	return path, repo.Copy(ctx, path, t.Spec.Copy)
}

// ScratchTree implements fleet.Merger.
func (w worktrees) ScratchTree(ctx context.Context, t life.Task, path string) (string, error) {
	repo, err := w.open(ctx, t)
	if err != nil {
		return "", err
	}
	return repo.Tree(ctx, path)
}

// Land implements fleet.Merger. The worktree of the queue goes, because the next batch has another one.
func (w worktrees) Land(ctx context.Context, t life.Task, id event.QueueID, args event.LandArgs) error {
	repo, err := w.open(ctx, t)
	if err != nil {
		return err
	}
	err = repo.Advance(ctx, git.AdvanceSpec{Branch: args.Branch, Old: args.Old, New: args.New, Tree: args.Tree, Linear: t.Spec.Style == event.MergeStyleLinear})
	switch {
	case errors.Is(err, git.ErrMoved):
		return fmt.Errorf("%w: %w", fleet.ErrMoved, err)
	case errors.Is(err, git.ErrInUse):
		return fmt.Errorf("%w: %w", fleet.ErrCheckout, err)
	case err != nil:
		return err
	}
	_ = repo.DropScratch(ctx, w.scratch(id)) // otherwise the next batch replaces it
	return nil
}
