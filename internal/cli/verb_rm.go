package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
)

const rmHelp = `Remove the rest of an ended or parked task: worktree, session, files. Its branch and its events
stay. It refuses to lose work; with --force the work is kept under a private ref, and the command
that restores it is printed.

  muster rm t3
  muster rm t3 --force && muster restore t3`

// removed is the output of `rm --json` for each task.
type removed struct {
	Task    event.TaskID `json:"task"`
	Removed bool         `json:"removed"`             // if false, the request waits for the next up
	Kept    []string     `json:"kept"`                // refs, oldest first
	Restore string       `json:"restore"`             // the command that restores the newest
	Aside   string       `json:"set_aside,omitempty"` // directory of files that could neither be kept nor removed
}

func newRmCommand(env Env) *cobra.Command {
	var force bool
	c := verb(&cobra.Command{
		Use: "rm ID…", Short: "Remove worktrees and sessions of ended tasks", Long: rmHelp, Args: cobra.MinimumNArgs(1),
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
	if r.Aside != "" {
		if err := env.say("Its files could not be kept in the repository; they lie in " + r.Aside); err != nil {
			return err
		}
	}
	if r.Restore == "" {
		return nil
	}
	return env.say(fmt.Sprintf("Its work is kept under %s; bring it back with: %s", r.Kept[len(r.Kept)-1], r.Restore))
}

func rmOne(ctx context.Context, env Env, id event.TaskID, force bool) (removed, error) {
	_, t, err := do(ctx, env, control.Remove{Task: id, Force: force})
	r := removed{Task: id, Removed: t.Removed, Kept: control.OrEmpty(t.Kept), Aside: t.SetAside}
	if err != nil || !t.Removed || len(t.Kept) == 0 {
		return r, err
	}
	r.Restore = "muster restore " + string(id)
	if len(r.Kept) > 1 {
		r.Restore += " --ref " + r.Kept[len(r.Kept)-1]
	}
	return r, nil
}
