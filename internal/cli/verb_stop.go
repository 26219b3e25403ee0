package cli

import (
	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
)

const stopHelp = `Stop tasks: the agent ends, everything in its worktree is kept under a private ref, and the task is
cancelled. The worktree stays until ` + "`muster rm`" + `.

  muster stop t3
  muster stop t3 t4 && muster wait t3 t4`

func newStopCommand(env Env) *cobra.Command {
	return newRequestCommand(env, &cobra.Command{
		Use: "stop ID…", Short: "Stop tasks, keeping their work", Long: stopHelp,
	}, groupEnd, func(id event.TaskID) control.Command { return control.Stop{Task: id} })
}
