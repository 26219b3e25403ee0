package cli

import (
	"context"
	"fmt"

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
	var foreground, asJSON bool
	c := verb(&cobra.Command{
		Use: "up", Short: "Start the supervisor (idempotent)", Long: upHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := openFleet(env)
			if err != nil {
				return err
			}
			if foreground {
				return superviseHere(cmd.Context(), env, f)
			}
			s, err := f.Up(cmd.Context())
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

// superviseHere runs the supervisor in this process; agents live in the tmux server as ever and outlast it.
func superviseHere(ctx context.Context, env Env, f boot.Fleet) error {
	exe, release, err := f.Foreground(ctx)
	if err != nil {
		return err
	}
	defer release()
	return daemon.Serve(ctx, daemon.Options{Fleet: f, Exe: exe, Wrap: env.Wrap})
}
