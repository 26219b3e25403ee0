package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"muster/internal/fault"
)

const checkHelp = `Run the task's checks now: the same commands, in the same place, with the same environment as when the
turn ends. The exit code is that of the first check that fails.

  muster check
  muster check test`

func newCheckCommand(env Env) *cobra.Command {
	var asJSON bool
	c := verb(&cobra.Command{
		Use: "check [NAME]", Short: "Run the task's checks", Long: checkHelp, Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := env.voice("check")
			if err != nil {
				return err
			}
			show := env.Stdout
			if asJSON {
				show = env.Stderr
			}
			results, err := v.Check(cmd.Context(), strings.Join(args, ""), show)
			if err != nil {
				return err
			}
			return printVerdicts(env, results, asJSON)
		},
	}, groupAgent)
	c.Flags().BoolVar(&asJSON, "json", false, "print the verdicts as JSON, the checks' output to standard error")
	return c
}

// printVerdicts prints what the checks' own output does not say, and returns the exit status of the first red one.
func printVerdicts(env Env, results []check.StepResult, asJSON bool) error {
	switch {
	case asJSON:
		if err := printJSON(env.Stdout, orEmpty(results)); err != nil {
			return err
		}
	case len(results) == 0:
		return env.say("This task has no checks.")
	}
	for _, r := range results {
		switch {
		case r.TimedOut:
			return exitStatus(fault.ExitCode(fault.New(fault.Timeout, "")))
		case r.Signal != 0:
			return exitStatus(128 + r.Signal)
		case r.Exit != 0:
			return exitStatus(r.Exit)
		}
	}
	return nil
}
