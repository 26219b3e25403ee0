package boot

import (
	"context"
	"errors"
	"fmt"
	"os"

	"muster/internal/fault"
	"muster/internal/keeper"
	"muster/internal/lock"
	"muster/internal/run"
	"muster/internal/store"
	"muster/internal/tmux"
)

// StandIn holds the keeper's pane while the supervisor runs in a person's terminal, and ends with it, however that
// ends: the kernel gives its lock free. The next `up` then finds a pane to put the keeper in.
func (f Fleet) StandIn() error {
	if err := lock.AwaitFree(f.Home.FrontLock()); err != nil {
		return fault.Wrap(fault.Failed, err, "wait for the supervisor in the foreground")
	}
	return nil
}

// Keep runs the supervisor again and again, and brings the whole fleet back when its tmux server is gone.
func (f Fleet) Keep(ctx context.Context) error {
	server := f.Server()
	// Whose pane this is. Where socket and note were wiped, that server is called back, and not taken for gone.
	_ = server.Remember(os.Getppid())
	return keeper.Keeper{
		Supervise: []string{f.Exe, "supervise"},
		Env:       f.environ(f.Environ),
		LockPath:  f.Home.KeeperLock(),
		Down:      f.ToldDown,
		ServerGone: func(ctx context.Context) bool {
			_, err := server.Identity(ctx)
			return errors.Is(err, tmux.ErrNoServer)
		},
		Revive: f.revive,
		Upgrades: keeper.Upgrades{
			Request: f.Home.Upgrade(), Outcome: f.Home.UpgradeOutcome(),
			Adopt:        func(program string) error { return supersede(f.Home, program) },
			RestoreState: f.putBack,
		},
		Log:   func(line string) { _, _ = fmt.Fprintln(f.Stderr, line) },
		Clock: f.KeeperClock,
	}.Serve(ctx)
}

// revive does what `up` does. Where another program is the fleet's by now, that does it: this one may not know the
// state any more.
func (f Fleet) revive(ctx context.Context) error {
	if current, err := os.Readlink(f.Home.Program()); err == nil && current != f.Exe {
		_, err := run.Do(ctx, run.Cmd{
			Argv: []string{current, "up"}, Dir: string(f.Home), Timeout: 2 * StartLimit,
			Env: f.environ(f.Saved),
		})
		return err
	}
	revived := f
	revived.Environ = f.Saved // what the fleet was started with, not what a pane has
	_, err := revived.Up(ctx)
	return err
}

// putBack makes the state readable for this program again, if a newer one has changed its format.
func (f Fleet) putBack(ctx context.Context) error {
	_, err := store.GoBack(ctx, f.Home.DB())
	return err
}
