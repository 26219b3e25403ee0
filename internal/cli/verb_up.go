package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"muster/internal/launch"
	"muster/internal/tmux"
)

const upHelp = `Start the supervisor, in a pane of the fleet's own tmux server. It goes on when this terminal
closes. Saying it again changes nothing, but for the environment: agents started from now on get
the one of the last ` + "`muster up`" + `.

  muster up
  MUSTER_HOME=/srv/fleet muster up     another fleet, in a directory of its own`

func newUpCommand(env Env) *cobra.Command {
	var foreground, asJSON bool
	c := verb(&cobra.Command{
		Use: "up", Short: "Start the supervisor (idempotent)", Long: upHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := openFleet(env)
			if err != nil {
				return err
			}
			if foreground {
				return f.foreground(cmd.Context())
			}
			s, err := f.up(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(env.Stdout, s)
			}
			said := "The fleet is up."
			if s.Already {
				said = "The fleet was up already."
			}
			if s.Warning != "" {
				_, _ = fmt.Fprintln(env.Stderr, "warning: "+s.Warning)
			}
			_, err = fmt.Fprintln(env.Stdout, said)
			return err
		},
	}, groupRun)
	c.Flags().BoolVar(&foreground, "foreground", false, "run the supervisor here, until Ctrl-C (agents run on)")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// foreground runs the supervisor in this process; agents live in the tmux server as ever and outlast it.
func (f fleetEnv) foreground(ctx context.Context) error {
	if err := launch.SaveEnv(f.home.Env(), f.env.Environ); err != nil {
		return err
	}
	f.saved = f.env.Environ
	env, _ := launch.Environ(f.saved, nil)
	if _, err := tmux.Preflight(ctx, env); err != nil {
		return err
	}
	exe, err := install(f.env.Exe, f.home)
	if err != nil {
		return err
	}
	_, err = f.server().Start(ctx, tmux.HubSpec{
		Session: hubSession, Window: "supervisor", Dir: string(f.home), Argv: []string{"sleep", "2147483647"},
	})
	if err != nil {
		return err
	}
	return f.supervise(ctx, exe)
}
