package control

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/git"
	"muster/internal/life"
	"muster/internal/store"
)

// Remove removes what an ended or parked task left behind. It is refused if work would be lost; with Force that work
// is kept under a private ref first.
type Remove struct {
	Task  event.TaskID
	Force bool
}

func (c Remove) do(ctx context.Context, of *Control) (Outcome, error) {
	if !c.Force {
		of.caller.Tell("looking for unsaved work of %s", c.Task)
		if err := of.losesNothing(ctx, c.Task); err != nil {
			return Outcome{}, err
		}
	}
	return of.ask(ctx, c.request)
}

// losesNothing returns an error if a removal would lose work; its hint has both ways to continue. The request checks
// whether the task may be removed at all. The work of a published task is on its branch.
func (c *Control) losesNothing(ctx context.Context, id event.TaskID) error {
	t, err := Get(ctx, c, One{Ref: string(id)})
	if err != nil || t.Worktree == "" || !Removable(t) {
		return nil //nolint:nilerr // the request reports what is wrong
	}
	repo, err := c.repository(ctx, t)
	if err != nil {
		return err
	}
	published := t.Published != nil && t.Published.Branch != "" && t.Published.Commit != ""
	u, err := repo.Unsaved(ctx, t.Worktree, t.Branch, t.Base, published)
	if err != nil || !u.Any() {
		return err
	}
	return fault.New(fault.Conflict, "%s has work that exists nowhere else: %s", t.ID, lost(u)).
		WithHint("See it with `muster diff %s`; `muster rm %s --force` keeps it under a private ref and removes the rest.", t.ID, t.ID)
}

func lost(u git.Unsaved) string {
	var parts []string
	if u.Dirty {
		parts = append(parts, "changes that are not committed")
	}
	if u.Untracked > 0 {
		parts = append(parts, fmt.Sprintf("%d new files", u.Untracked))
	}
	if u.Unpushed > 0 {
		parts = append(parts, fmt.Sprintf("%d commits that no other branch has", u.Unpushed))
	}
	return strings.Join(parts, ", ")
}

// repository opens the repository of a task.
func (c *Control) repository(ctx context.Context, t life.Task) (*git.Repo, error) {
	f, err := c.fleet()
	if err != nil {
		return nil, err
	}
	where := git.Locator{GitDir: t.Spec.GitDir, Checkout: t.Spec.Repo, Worktree: t.Worktree}
	return git.Find(ctx, where, git.Env(f.Saved), git.Under(f.Home.WorktreesDir()), git.Private(f.Home.GitDir()))
}

// Removable reports whether a task can be removed: it has ended or is parked, and was not removed.
func Removable(t life.Task) bool { return !t.Removed && removable(t) }

func removable(t life.Task) bool { return t.State.Final() || t.State == event.Parked }

func (c Remove) request(tx *store.Tx, front event.Front) (out Outcome, err error) {
	t, err := present(tx, c.Task)
	if err != nil {
		return out, err
	}
	if !removable(t) {
		return out, fault.New(fault.Conflict, "%s is %s; only ended and parked tasks are removed", t.ID, t.State).
			WithHint("Stop it first: muster stop %s", t.ID)
	}
	_, err = tx.Append(t.ID, t.Gen, event.RemoveRequested{Force: c.Force, Front: front})
	return Outcome{Task: t.ID, effect: effectOf(event.ActRemove, func(e event.Event) bool {
		_, gone := e.Data.(event.TaskRemoved)
		return gone
	})}, err
}

// Restore restores kept work of a task to its worktree, also after the task was removed.
type Restore struct {
	Task event.TaskID
	Ref  string // which kept work; "" if there is only one
}

func (c Restore) do(ctx context.Context, of *Control) (Outcome, error) { return of.ask(ctx, c.request) }

func (c Restore) request(tx *store.Tx, front event.Front) (out Outcome, err error) {
	t, err := task(tx, c.Task)
	if err != nil {
		return out, err
	}
	ref := c.Ref
	switch {
	case len(t.Kept) == 0:
		return out, fault.New(fault.NotFound, "%s has no kept work", t.ID).
			WithHint("%s", whereWorkIs(t))
	case ref == "" && len(t.Kept) > 1:
		return out, fault.New(fault.Conflict, "%s has more than one keep ref, the newest last:\n  %s", t.ID, strings.Join(t.Kept, "\n  ")).
			WithHint("Name one: muster restore %s --ref %s", t.ID, t.Kept[len(t.Kept)-1])
	case ref == "":
		ref = t.Kept[0]
	case !slices.Contains(t.Kept, ref):
		return out, fault.New(fault.NotFound, "%s has no kept work %s", t.ID, ref).
			WithHint("It has %s.", strings.Join(t.Kept, ", "))
	}
	if !t.State.Final() && t.State != event.Parked || t.Agent.Live {
		return out, fault.New(fault.Conflict, "%s is %s; its worktree is in use", t.ID, t.State).
			WithHint("Stop it first: muster stop %s", t.ID)
	}
	_, err = tx.Append(t.ID, t.Gen, event.RestoreRequested{Ref: ref, Front: front})
	return Outcome{Task: t.ID, Ref: ref, effect: effectOf(event.ActRestore, func(e event.Event) bool {
		_, ready := e.Data.(event.WorktreeReady)
		return ready
	})}, err
}

func whereWorkIs(t life.Task) string {
	switch {
	case t.Worktree != "":
		return fmt.Sprintf("Its work is in its worktree: %s", t.Worktree)
	case t.Branch != "":
		return fmt.Sprintf("Its work is on its branch: %s", t.Branch)
	}
	return "It has not begun to work."
}
