package cli

import (
	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
)

const interruptHelp = `Interrupt the turn of a task's agent, as Escape or Ctrl-C in its terminal would. The agent stays, and
what it has done so far is judged as at the end of any turn.

  muster interrupt t3
  muster interrupt t3 && muster send t3 "not that file"`

func newInterruptCommand(env Env) *cobra.Command {
	return newRequestCommand(env, &cobra.Command{
		Use: "interrupt ID…", Short: "Interrupt the turn of an agent", Long: interruptHelp,
	}, groupTalk, func(id event.TaskID) control.Command { return control.Interrupt{Task: id} })
}
