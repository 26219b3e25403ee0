package cli

import (
	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
)

const interruptHelp = `Interrupt the turn of a task's agent, as Escape or Ctrl-C in its terminal would. The agent stays
and waits for your message; its work so far is not judged, unless you interrupt it once more. Without a message it is
told to go on after it has been silent for too long (task.silence).

  muster interrupt t3
  muster interrupt t3 && muster send t3 "not that file"`

func newInterruptCommand(env Env) *cobra.Command {
	return newRequestCommand(env, &cobra.Command{
		Use: "interrupt ID…", Short: "Interrupt the turn of an agent", Long: interruptHelp,
	}, groupTalk, func(id event.TaskID) control.Command { return control.Interrupt{Task: id} })
}
