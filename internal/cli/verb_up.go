package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/store"
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
	if err := environ.Save(f.home.Env(), f.env.Environ); err != nil {
		return err
	}
	f.saved = f.env.Environ
	env, _ := environ.ForLaunch(f.saved, nil)
	if _, err := tmux.Preflight(ctx, env); err != nil {
		return err
	}
	db, err := store.Open(ctx, f.home.DB(), store.Options{})
	if err != nil {
		return err
	}
	if err := errors.Join(f.beUp(ctx, db), db.Close()); err != nil {
		return err
	}
	exe, err := f.program()
	if err != nil {
		return err
	}
	front := flock.New(f.home.FrontLock())
	if ok, err := front.TryLock(); err != nil || !ok {
		return fault.Wrap(fault.Conflict, err, "another supervisor looks after %s", f.home).WithHint("`muster status` shows it.")
	}
	defer func() { _ = front.Unlock() }()
	if _, err := f.server().Start(ctx, f.hub("keep", "--stand-in")); err != nil {
		return err
	}
	return f.supervise(ctx, exe)
}
