package cli

import (
	"context"
	"fmt"

	"muster/internal/control"

	"github.com/spf13/cobra"

	"muster/internal/boot"
	"muster/internal/daemon"
)

const upHelp = `Start the supervisor, in a pane of the fleet's own tmux server. It goes on when this terminal
closes. Saying it again changes nothing, but for the environment: agents started from now on get
the one of the last ` + "`muster up`" + `.

  muster up
  MUSTER_HOME=/srv/fleet muster up     another fleet, in a directory of its own`

func newUpCommand(env Env) *cobra.Command {
	var foreground bool
	c := verb(&cobra.Command{
		Use: "up", Short: "Start the supervisor (idempotent)", Long: upHelp, Args: cobra.NoArgs,
	}, groupRun)
	c.Flags().BoolVar(&foreground, "foreground", false, "run the supervisor here, until Ctrl-C (agents run on)")
	result[boot.Started]{
		get: func(ctx context.Context, _ []string) (boot.Started, error) {
			out, _, err := do(ctx, env, control.Up{})
			return out.Up, err
		},
		show: func(s boot.Started) error {
			if s.Warning != "" {
				_, _ = fmt.Fprintln(env.Stderr, "warning: "+s.Warning)
			}
			if s.Already {
				return env.say("The fleet was up already.")
			}
			return env.say("The fleet is up.")
		},
	}.addTo(env, c)
	inBackground := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if !foreground {
			return inBackground(cmd, args)
		}
		return superviseHere(cmd.Context(), env)
	}
	return c
}

// superviseHere runs the supervisor in this process; agents live in the tmux server as ever and outlast it.
func superviseHere(ctx context.Context, env Env) error {
	f, err := openFleet(env)
	if err != nil {
		return err
	}
	exe, release, err := f.Foreground(ctx)
	if err != nil {
		return err
	}
	defer release()
	return daemon.Serve(ctx, daemon.Options{Fleet: f, Exe: exe, Wrap: env.Wrap})
}
