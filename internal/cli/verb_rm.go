package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/git"
	"muster/internal/life"
)

const rmHelp = `Remove what an ended or parked task has left behind: worktree, session, files. Its branch and its events
stay. Work that would be lost is refused; with --force it is kept under a private ref, and the command
that brings it back is printed.

  muster rm t3
  muster rm t3 --force && muster restore t3`

// outcomeLimit is how long a verb waits for the supervisor to have done what it asked for.
const outcomeLimit = 30 * time.Second

// removed is what `rm --json` prints for each task.
type removed struct {
	Task    event.TaskID `json:"task"`
	Removed bool         `json:"removed"` // false: it is asked for, and happens at the next up
	Kept    []string     `json:"kept"`    // refs, oldest first
	Restore string       `json:"restore"` // the command that brings the newest back
}

func newRmCommand(env Env) *cobra.Command {
	var force bool
	c := verb(&cobra.Command{
		Use: "rm ID…", Short: "Remove what tasks have left behind", Long: rmHelp, Args: cobra.MinimumNArgs(1),
	}, groupEnd)
	c.Flags().BoolVar(&force, "force", false, "remove unsaved work, too: it is kept under a private ref")
	result[[]removed]{
		get: func(ctx context.Context, args []string) ([]removed, error) {
			return each(env, args, func(id event.TaskID) (removed, error) { return rmOne(ctx, env, id, force) })
		},
		show: func(all []removed) error {
			for _, r := range all {
				if !r.Removed {
					continue
				}
				if err := printRemoved(env, r); err != nil {
					return err
				}
			}
			return nil
		},
	}.addTo(env, c)
	return c
}

func printRemoved(env Env, r removed) error {
	if err := env.say(string(r.Task) + " is removed."); err != nil {
		return err
	}
	if r.Restore == "" {
		return nil
	}
	return env.say(fmt.Sprintf("Its work is kept under %s; bring it back with: %s", r.Kept[len(r.Kept)-1], r.Restore))
}

func rmOne(ctx context.Context, env Env, id event.TaskID, force bool) (removed, error) {
	t, err := findTask(ctx, env, string(id))
	if err != nil {
		return removed{}, err
	}
	if !force {
		if err := nothingLost(ctx, env, t); err != nil {
			return removed{}, err
		}
	}
	out, err := request(ctx, env, control.Remove{Task: id, Force: force})
	r := removed{Task: id, Kept: orEmpty(t.Kept)}
	if err != nil || env.down() {
		return r, err
	}
	err = awaitOutcome(ctx, env, out.Seq, id, event.ActRemove, func(e event.Event) bool {
		_, gone := e.Data.(event.TaskRemoved)
		return gone
	})
	if err != nil {
		return r, err
	}
	r.Removed = true
	if t, err = findTask(ctx, env, string(id)); err != nil {
		return r, err
	}
	if r.Kept = orEmpty(t.Kept); len(r.Kept) > 0 {
		r.Restore = "muster restore " + string(id)
		if len(r.Kept) > 1 {
			r.Restore += " --ref " + r.Kept[len(r.Kept)-1]
		}
	}
	return r, nil
}

// awaitOutcome waits until an action of the supervisor has had its effect, or has failed.
func awaitOutcome(ctx context.Context, env Env, from int64, id event.TaskID, kind event.ActionKind, effect func(event.Event) bool) error {
	limit, cancel := context.WithTimeout(ctx, outcomeLimit)
	defer cancel()
	failed := ""
	err := watchFor(limit, env, from, id, func(e event.Event) bool {
		if f, ok := e.Data.(event.ActionFinished); ok && f.What == kind && f.Error != "" {
			failed = f.Error
		}
		return failed != "" || effect(e)
	})
	switch {
	case failed != "":
		return fault.New(fault.Failed, "%s %s: %s", kind, id, failed)
	case fault.Is(err, fault.Timeout):
		return fault.Wrap(fault.Timeout, err, "%s is asked for, but not done yet", kind).WithHint("`muster events --task %s -f` shows when it is.", id)
	}
	return err
}

// nothingLost refuses to remove what would lose work, and names both ways on. Work of a task that was published is
// on its branch.
func nothingLost(ctx context.Context, env Env, t life.Task) error {
	if t.Worktree == "" || t.Removed {
		return nil
	}
	f, err := openFleet(env)
	if err != nil {
		return err
	}
	repo, err := git.Open(ctx, t.Spec.Repo, git.Env(f.Saved), git.Under(f.Home.WorktreesDir()))
	if err != nil {
		return err
	}
	published := t.Published != nil && t.Published.Branch != "" && t.Published.Commit != ""
	u, err := repo.Unsaved(ctx, t.Worktree, t.Branch, t.Base, published)
	if err != nil {
		return err
	}
	if !u.Any() {
		return nil
	}
	return fault.New(fault.Conflict, "%s holds work that is nowhere else: %s", t.ID, lostText(u)).
		WithHint("See it with `muster diff %s`; `muster rm %s --force` keeps it under a private ref and goes on.", t.ID, t.ID)
}

func lostText(u git.Unsaved) string {
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
