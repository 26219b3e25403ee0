package cli

import (
	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
)

const retryHelp = `Start parked tasks again: they are queued for a slot, and their agents continue where they stopped,
with the full number of rounds of checks. With --allow, work that was parked for what it has (a reason such as
deleted_tests or outside_scope) is taken as it is, once its checks are green again.

  muster retry t3
  muster retry t3 --allow deleted_tests
  muster retry $(muster ls --json | jq -r '.[] | select(.state == "parked").id')`

func newRetryCommand(env Env) *cobra.Command {
	var allow []string
	c := newRequestCommand(env, &cobra.Command{
		Use: "retry ID…", Short: "Start parked tasks again", Long: retryHelp,
	}, groupEnd, func(id event.TaskID) control.Command {
		r := control.Retry{Task: id}
		for _, k := range allow {
			r.Allow = append(r.Allow, event.FindingKind(k))
		}
		return r
	})
	c.Flags().StringSliceVar(&allow, "allow", nil, "what the work may have: the `REASON` it was parked for; again, or with commas, for more")
	return c
}
