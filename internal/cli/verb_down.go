package cli

import (
	"context"
	"time"

	"muster/internal/control"

	"github.com/spf13/cobra"

	"muster/internal/event"
	"muster/internal/fault"
)

const downHelp = `Stop the supervisor. Agents are left running unless told otherwise. They are unattended until the
next ` + "`muster up`" + `, which goes on with them as they are.

  muster down            agents run on
  muster down --drain    nothing new starts; down when all that runs has ended
  muster down --kill     agents are ended, too, and resumed at the next up`

// downed is what `down --json` prints.
type downed struct {
	Down bool           `json:"down"`
	Mode event.DownMode `json:"mode"`
}

func newDownCommand(env Env) *cobra.Command {
	var drain, kill bool
	var limit time.Duration
	c := verb(&cobra.Command{
		Use: "down", Short: "Stop the supervisor, and on request the agents", Long: downHelp, Args: cobra.NoArgs,
	}, groupRun)
	c.Flags().BoolVar(&drain, "drain", false, "wait until all that runs has ended")
	c.Flags().BoolVar(&kill, "kill", false, "end the agents, too; they are resumed at the next up")
	c.Flags().DurationVar(&limit, "timeout", 0, "wait no longer than `TIME` (default: 1m, with --drain without end)")
	result[downed]{
		get: func(ctx context.Context, _ []string) (downed, error) {
			mode := event.DownLeave
			switch {
			case drain && kill:
				return downed{}, fault.New(fault.Usage, "--drain and --kill exclude each other").WithHint("Leave one of them out.")
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
