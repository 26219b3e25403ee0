package cli

import (
	"context"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
)

const restoreHelp = `Restore the kept work of a task to its worktree: branch, staged changes, and uncommitted
files. Work is kept when a task is stopped or removed, and before anything else that would lose
it. If several states are kept, name one with --ref; without it they are listed.

  muster restore t3
  muster restore t3 --ref refs/muster/keep/t3/2`

// restored is the output of `restore --json`.
type restored struct {
	Task     event.TaskID `json:"task"`
	Ref      string       `json:"ref"`
	Restored bool         `json:"restored"` // if false, the request waits for the next up
	Worktree string       `json:"worktree"`
}

func newRestoreCommand(env Env) *cobra.Command {
	var ref string
	c := verb(&cobra.Command{
		Use: "restore ID", Short: "Restore kept work to its worktree", Long: restoreHelp, Args: cobra.ExactArgs(1),
	}, groupEnd)
	c.Flags().StringVar(&ref, "ref", "", "`REF` of the kept work, if there are several")
	result[restored]{
		get: func(ctx context.Context, args []string) (restored, error) {
			id, err := taskID(args[0])
			if err != nil {
				return restored{}, err
			}
			return restore(ctx, env, id, ref)
		},
		show: func(r restored) error { return env.say(r.Worktree) },
	}.addTo(env, c)
	return c
}

func restore(ctx context.Context, env Env, id event.TaskID, ref string) (restored, error) {
	out, t, err := do(ctx, env, control.Restore{Task: id, Ref: ref})
	r := restored{Task: id, Ref: out.Ref}
	if err == nil && !out.Down {
		r.Restored, r.Worktree = true, t.Worktree
	}
	return r, err
}
