package cli

import (
	"context"
	"fmt"

	"muster/internal/control"

	"github.com/spf13/cobra"

	"muster/internal/boot"
	"muster/internal/daemon"
)

const upHelp = `Start the supervisor, in a pane of the fleet's own tmux server. It keeps running when this terminal
closes. Running it again only changes the environment: agents that start from now on get
that of the last ` + "`muster up`" + `.

  muster up
  MUSTER_HOME=/srv/fleet muster up     another fleet, in its own directory`

func newUpCommand(env Env) *cobra.Command {
	var foreground bool
	c := verb(&cobra.Command{
		Use: "up", Short: "Start the supervisor (idempotent)", Long: upHelp, Args: cobra.NoArgs,
	}, groupRun)
	c.Flags().BoolVar(&foreground, "foreground", false, "run the supervisor here, until Ctrl-C (agents keep running)")
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

// superviseHere runs the supervisor in this process. Its agents live in the tmux server as usual and outlive it.
func superviseHere(ctx context.Context, env Env) error {
	terminal := boot.Pane(env.Stderr)
	defer terminal.Flush()
	env.Stderr = terminal
	f, err := openFleet(env)
	if err != nil {
		return err
	}
	exe, release, err := f.Foreground(ctx)
	if err != nil {
		return err
	}
	defer release()
	services, done, err := services(f, env)
	if err != nil {
		return err
	}
	defer done()
	return daemon.Serve(ctx, daemon.Options{Fleet: f, Exe: exe, Wrap: env.Wrap, Services: services})
}
