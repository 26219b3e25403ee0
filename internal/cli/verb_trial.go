package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/control"
)

// newTrialCommand returns the hidden verb that `muster preflight` starts. It ends with its standard input: the checks that it has
// started then end, and their worktree goes, also if the preflight was killed.
func newTrialCommand(env Env) *cobra.Command {
	q := control.Trials{}
	c := &cobra.Command{
		Use: "trial", Hidden: true, Args: cobra.NoArgs, Short: "Try the checks on what tasks start from (preflight runs this).",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			go func() { // it ends with the process, whose standard input stays open until then
				_, _ = io.Copy(io.Discard, env.Stdin)
				cancel()
			}()
			caller := env.caller()
			caller.Say = func(what string) { _, _ = fmt.Fprintln(env.Stderr, clean(what, 400)) }
			ctl, err := control.Open(caller)
			if err != nil {
				return err
			}
			defer ctl.Close() //nolint:errcheck // it was read
			found, err := control.Get(ctx, ctl, q)
			if err != nil {
				return err
			}
			return printJSON(env.Stdout, found)
		},
	}
	c.Flags().StringVar(&q.Dir, "dir", "", "the repository of `DIR` is tried if no task is queued")
	c.Flags().DurationVar(&q.Limit, "limit", control.DefaultTrialLimit, "end the checks after `DURATION`")
	return c
}

// trialFlags adds the flags of the checks that a verb tries. The function returns what is tried.
func trialFlags(env Env, c *cobra.Command) func() *control.Trials {
	none := c.Flags().Bool("no-checks", false, "do not run the checks on what tasks start from")
	limit := c.Flags().Duration("limit", control.DefaultTrialLimit, "end these checks after `DURATION`")
	return func() *control.Trials {
		if *none {
			return nil
		}
		return &control.Trials{Dir: env.Dir, Limit: max(*limit, time.Second)}
	}
}
