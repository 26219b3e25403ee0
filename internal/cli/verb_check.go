package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"muster/internal/check"
	"muster/internal/control"
	"muster/internal/fault"
)

const checkHelp = `Run the task's checks now: the same commands, in the same directory, with the same environment as when the
turn ends. The exit code is that of the first check that fails.

  muster check
  muster check test`

func newCheckCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "check [NAME]", Short: "Run the task's checks", Long: checkHelp, Args: cobra.MaximumNArgs(1),
	}, groupAgent)
	result[[]check.StepResult]{
		json: "the verdicts; the checks' output goes to standard error",
		get: func(ctx context.Context, args []string) ([]check.StepResult, error) {
			v, err := env.voice("check")
			if err != nil {
				return nil, err
			}
			show := env.Stdout
			if asJSON, _ := c.Flags().GetBool("json"); asJSON {
				show = env.Stderr
			}
			results, err := v.Check(ctx, strings.Join(args, ""), show)
			if err != nil {
				return nil, err
			}
			return control.OrEmpty(results), firstRed(results)
		},
		show: func(all []check.StepResult) error {
			if len(all) == 0 {
				return env.say("This task has no checks.")
			}
			return nil // their output was shown
		},
	}.addTo(env, c)
	return c
}

// firstRed returns an error with the exit status of the first check that failed.
func firstRed(results []check.StepResult) error {
	for _, r := range results {
		switch {
		case r.TimedOut:
			return partial{exitStatus(fault.ExitCode(fault.New(fault.Timeout, "")))}
		case r.Signal != 0:
			return partial{exitStatus(128 + r.Signal)}
		case r.Exit != 0:
			return partial{exitStatus(r.Exit)}
		}
	}
	return nil
}
