package cli

import (
	"bytes"
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/git"
	"muster/internal/life"
)

const diffHelp = `Show what a task has changed since it began: all in its worktree, also what is not committed or not even
tracked; once the worktree is gone, what is on its branch.

  muster diff t3
  muster diff t3 --stat
  muster diff t3 | git apply`

type diffOptions struct{ stat, json bool }

// changes is what `diff --json` prints.
type changes struct {
	Task   event.TaskID `json:"task"`
	Base   string       `json:"base"`   // commit
	Target string       `json:"target"` // the worktree, or the branch
	Diff   string       `json:"diff"`
}

func newDiffCommand(env Env) *cobra.Command {
	var o diffOptions
	c := verb(&cobra.Command{
		Use: "diff ID", Short: "Show what a task has changed", Long: diffHelp, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return diff(cmd.Context(), env, o, args[0]) },
	}, groupLook)
	c.Flags().BoolVar(&o.stat, "stat", false, "a line for each file instead of the changes")
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return c
}

func diff(ctx context.Context, env Env, o diffOptions, ref string) error {
	f, err := openFleet(env)
	if err != nil {
		return err
	}
	t, err := findTask(ctx, env, ref)
	if err != nil {
		return err
	}
	target, err := diffTarget(t)
	if err != nil {
		return err
	}
	repo, err := git.Open(ctx, t.Spec.Repo, git.Env(f.Saved), git.Under(f.Home.WorktreesDir()))
	if err != nil {
		return err
	}
	options := git.DiffOptions{Stat: o.stat, Color: env.colour() && !o.json}
	if o.json {
		var text bytes.Buffer
		if err := repo.Diff(ctx, &text, t.Base, target, options); err != nil {
			return err
		}
		return printJSON(env.Stdout, changes{Task: t.ID, Base: t.Base, Target: target, Diff: text.String()})
	}
	if env.width() == 0 { // for a program such as git apply every byte counts
		return repo.Diff(ctx, env.Stdout, t.Base, target, options)
	}
	w := env.forPeople()
	if err := repo.Diff(ctx, io.Writer(w), t.Base, target, options); err != nil {
		return err
	}
	return w.Close()
}

// diffTarget is where the newest state of the work lies.
func diffTarget(t life.Task) (string, error) {
	if t.Base == "" {
		return "", fault.New(fault.Conflict, "%s is %s: it has not begun to work", t.ID, t.State).WithHint("`muster show %s` tells what it waits for.", t.ID)
	}
	if t.Worktree != "" {
		if st, err := os.Stat(t.Worktree); err == nil && st.IsDir() {
			return t.Worktree, nil
		}
	}
	return t.Branch, nil
}
