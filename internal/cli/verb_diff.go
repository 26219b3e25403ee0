package cli

import (
	"bytes"
	"context"

	"muster/internal/control"

	"github.com/spf13/cobra"
)

const diffHelp = `Show what a task has changed since it began: everything in its worktree, including uncommitted and
untracked files; if the worktree is gone, the changes on its branch. --round shows what a round of checks
judged instead, and --from what has changed since another round judged it.

  muster diff t3
  muster diff t3 --stat
  muster diff t3 --round 2
  muster diff t3 --round 2 --from 1   what was changed after the first verdict
  muster diff t3 --from 2             what was changed since the second
  muster diff t3 | git apply`

type diffOptions struct {
	stat, json  bool
	round, from int
}

func newDiffCommand(env Env) *cobra.Command {
	var o diffOptions
	c := verb(&cobra.Command{
		Use: "diff ID", Short: "Show what a task has changed", Long: diffHelp, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return diff(cmd.Context(), env, o, args[0]) },
	}, groupLook)
	c.Flags().BoolVar(&o.stat, "stat", false, "a line for each file instead of the changes")
	c.Flags().IntVar(&o.round, "round", 0, "what round `N` of checks judged, instead of the newest work")
	c.Flags().IntVar(&o.from, "from", 0, "only what has changed since round `N` judged it")
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return c
}

func diff(ctx context.Context, env Env, o diffOptions, ref string) error {
	q := control.Diff{Ref: ref, Round: o.round, From: o.from, Stat: o.stat, Colours: env.colour() && !o.json, To: env.Stdout}
	if o.json {
		var text bytes.Buffer
		q.To = &text
		d, err := get(ctx, env, q)
		if err != nil {
			return err
		}
		return printJSON(env.Stdout, control.ToldDiff{Changes: d, Diff: text.String()})
	}
	if env.width() == 0 { // a program such as git apply needs every byte
		_, err := get(ctx, env, q)
		return err
	}
	w := env.forPeople()
	q.To = w
	if _, err := get(ctx, env, q); err != nil {
		return err
	}
	return w.Close()
}
