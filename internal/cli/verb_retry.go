package cli

import (
	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
)

const retryHelp = `Bring parked tasks back: they stand in line for a slot again, and their agents go on where they stopped,
with all rounds of checks before them again.

  muster retry t3
  muster retry $(muster ls --json | jq -r '.[] | select(.state == "parked").id')`

func newRetryCommand(env Env) *cobra.Command {
	return newRequestCommand(env, &cobra.Command{
		Use: "retry ID…", Short: "Bring parked tasks back", Long: retryHelp,
	}, groupEnd, func(id event.TaskID) control.Command { return control.Retry{Task: id} })
}
