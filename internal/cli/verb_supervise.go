package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/launch"
	"muster/internal/run"
	"muster/internal/store"
	"muster/internal/tmux"
)

// newSuperviseCommand is the hidden verb that the keeper runs.
func newSuperviseCommand(env Env) *cobra.Command {
	var preflight string
	c := &cobra.Command{
		Use: "supervise", Hidden: true, Args: cobra.NoArgs, Short: "Look after the fleet (the keeper runs this).",
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := openFleet(env)
			if err != nil {
				return err
			}
			if preflight != "" {
				return f.preflight(cmd.Context(), preflight)
			}
			var kept launch.Kept
			kept, f.ready = launch.ReadKept(env.Getenv(launch.KeptVar))
			f.prologue = upgraded(kept)
			return f.supervise(cmd.Context(), env.Exe)
		},
	}
	c.Flags().StringVar(&preflight, "preflight", "", "only say whether the database in `FILE`, a copy, is understood")
	return c
}

// upgraded is what a supervisor says of the upgrade that it follows.
func upgraded(k launch.Kept) []event.Payload {
	switch {
	case k.To == "":
		return nil
	case k.Why != "":
		return []event.Payload{event.UpgradeRolledBack{From: k.From, To: k.To, Why: k.Why, Since: k.Since}}
	}
	return []event.Payload{event.SupervisorUpgraded{From: k.From, To: k.To, Since: k.Since}}
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
	// Whose pane this is. Where socket and note were wiped, that server is called back, and not taken for gone.
	_ = server.Remember(os.Getppid())
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
		Revive: f.revive,
		Upgrades: launch.Upgrades{
			Request: f.home.Upgrade(), Outcome: f.home.UpgradeOutcome(),
			Adopt:   func(program string) error { return supersede(f.home, program) },
			PutBack: f.putBack,
		},
		Log:   func(line string) { _, _ = fmt.Fprintln(f.env.Stderr, line) },
		Clock: f.env.KeeperClock,
	}.Serve(ctx)
}

// revive does what `up` does. Where another program is the fleet's by now, that does it: this one may not know the
// state any more.
func (f fleetEnv) revive(ctx context.Context) error {
	if current, err := os.Readlink(f.home.Program()); err == nil && current != f.env.Exe {
		_, err := run.Do(ctx, run.Cmd{
			Argv: []string{current, "up"}, Dir: string(f.home), Timeout: 2 * startLimit,
			Env: overlay(f.saved, []string{"MUSTER_HOME=" + string(f.home)}),
		})
		return err
	}
	revived := f
	revived.env.Environ = f.saved // what the fleet was started with, not what a pane has
	_, err := revived.up(ctx)
	return err
}

// putBack makes the state readable for this program again, if a newer one has changed its format.
func (f fleetEnv) putBack(ctx context.Context) error {
	_, err := store.GoBack(ctx, f.home.DB())
	return err
}
