package cli

import (
	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
)

const retryHelp = `Start parked tasks again: they are queued for a slot, and their agents continue where they stopped,
with the full number of rounds of checks.

  muster retry t3
  muster retry $(muster ls --json | jq -r '.[] | select(.state == "parked").id')`

func newRetryCommand(env Env) *cobra.Command {
	return newRequestCommand(env, &cobra.Command{
		Use: "retry ID…", Short: "Start parked tasks again", Long: retryHelp,
	}, groupEnd, func(id event.TaskID) control.Command { return control.Retry{Task: id} })
}
