package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"muster/internal/fault"
	"muster/internal/launch"
	"muster/internal/tmux"
)

// newSuperviseCommand is the hidden verb that the keeper runs.
func newSuperviseCommand(env Env) *cobra.Command {
	return &cobra.Command{
		Use: "supervise", Hidden: true, Args: cobra.NoArgs, Short: "Look after the fleet (the keeper runs this).",
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := openFleet(env)
			if err != nil {
				return err
			}
			return f.supervise(cmd.Context(), env.Exe)
		},
	}
}

// newKeepCommand is the hidden verb that runs in the supervisor's pane.
func newKeepCommand(env Env) *cobra.Command {
	var standIn bool
	c := &cobra.Command{
		Use: "keep", Hidden: true, Args: cobra.NoArgs, Short: "Keep the supervisor running (the tmux server's first pane runs this).",
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := openFleet(env)
			if err != nil {
				return err
			}
			if standIn {
				return f.standIn()
			}
			return f.keep(cmd.Context())
		},
	}
	c.Flags().BoolVar(&standIn, "stand-in", false, "only hold the pane while a supervisor runs in somebody's terminal")
	return c
}

// standIn holds the keeper's pane while the supervisor runs in a person's terminal, and ends with it, however that
// ends: the kernel gives its lock free. The next `up` then finds a pane to put the keeper in.
func (f fleetEnv) standIn() error {
	lock := flock.New(f.home.FrontLock())
	if err := lock.RLock(); err != nil {
		return fault.Wrap(fault.Failed, err, "wait for the supervisor in the foreground")
	}
	return lock.Unlock()
}

// keep runs the supervisor again and again, and brings the whole fleet back when its tmux server is gone.
func (f fleetEnv) keep(ctx context.Context) error {
	server := f.server()
	return launch.Keeper{
		Supervise: []string{f.env.Exe, "supervise"},
		Env:       overlay(f.env.Environ, []string{"MUSTER_HOME=" + string(f.home)}),
		LockPath:  f.home.KeeperLock(),
		Down: func() bool {
			_, err := os.Stat(f.home.Down())
			return err == nil
		},
		ServerGone: func(ctx context.Context) bool {
			_, err := server.Identity(ctx)
			return errors.Is(err, tmux.ErrNoServer)
		},
		Revive: func(ctx context.Context) error {
			revived := f
			revived.env.Environ = f.saved // what the fleet was started with, not what a pane has
			_, err := revived.up(ctx)
			return err
		},
		Log:   func(line string) { _, _ = fmt.Fprintln(f.env.Stderr, line) },
		Clock: f.env.KeeperClock,
	}.Serve(ctx)
}
