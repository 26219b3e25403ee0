package cli

import (
	"context"
	"time"

	"muster/internal/control"

	"github.com/spf13/cobra"

	"muster/internal/event"
)

const downHelp = `Stop the supervisor. Agents keep running unless a flag ends them. They are unattended until the
next ` + "`muster up`" + `, which continues with them as they are.

  muster down            agents keep running
  muster down --drain    nothing new starts; down after the last running task
  muster down --kill     agents are ended, too, and resumed at the next up`

// downed is the output of `down --json`.
type downed struct {
	Down bool           `json:"down"`
	Mode event.DownMode `json:"mode"`
}

func newDownCommand(env Env) *cobra.Command {
	var drain, kill bool
	var limit time.Duration
	c := verb(&cobra.Command{
		Use: "down", Short: "Stop the supervisor, and optionally the agents", Long: downHelp, Args: cobra.NoArgs,
	}, groupRun)
	c.Flags().BoolVar(&drain, "drain", false, "wait until every running task has ended")
	c.Flags().BoolVar(&kill, "kill", false, "end the agents, too; they are resumed at the next up")
	c.Flags().DurationVar(&limit, "timeout", 0, "wait no longer than `TIME` (default: 1m; no limit with --drain)")
	c.MarkFlagsMutuallyExclusive("drain", "kill")
	result[downed]{
		get: func(ctx context.Context, _ []string) (downed, error) {
			mode := event.DownLeave
			switch {
			case drain:
				mode = event.DownDrain
			case kill:
				mode = event.DownKill
			}
			_, _, err := do(ctx, env, control.Down{Mode: mode, Limit: limit})
			return downed{Down: true, Mode: mode}, err
		},
		show: func(downed) error { return env.say("The fleet is down.") },
	}.addTo(env, c)
	return c
}
