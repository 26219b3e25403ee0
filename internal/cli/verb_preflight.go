package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/fault"
)

const preflightHelp = `Check whether the fleet can be left alone for a night: its supervisor, the machine (programs, memory, disk, logout,
sleep), and for the tasks that are queued or at work their repositories, agents and accounts. What the supervisor would
use is checked in the environment that it was started with. Each finding names what mends it. The exit code is 1 if
something would stop the night.

Setup and checks of the project run once on each commit that queued and recurring tasks start from, in a worktree that
goes afterwards. Without such tasks they run on this repository.

  muster preflight
  muster preflight --no-checks
  muster preflight --limit 2h
  muster preflight --json | jq '.[] | select(.level != "ok")'`

func newPreflightCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "preflight", Short: "Check whether the fleet can be left alone tonight", Long: preflightHelp, Args: cobra.NoArgs,
	}, groupLook)
	trials := trialFlags(env, c)
	result[[]control.Finding]{
		get: func(ctx context.Context, _ []string) ([]control.Finding, error) {
			found, err := get(ctx, env, control.Preflight{Trials: trials()})
			if err == nil && slices.ContainsFunc(found, func(f control.Finding) bool { return f.Level == control.LevelError }) {
				err = partial{quiet(fault.Failed)}
			}
			return found, err
		},
		show: func(found []control.Finding) error { return printFindings(env, found) },
	}.addTo(env, c)
	return c
}
