package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"muster/internal/fault"
	"muster/internal/host"
	"muster/internal/keeper"
	"muster/internal/lock"
	"muster/internal/run"
	"muster/internal/store"
	"muster/internal/tmux"
)

// StandIn occupies the keeper's pane while the supervisor runs in a person's terminal. It returns when that
// supervisor ends, because the kernel releases its lock. The next `up` then starts the keeper in the pane.
func (f Fleet) StandIn() error {
	if err := lock.AwaitFree(f.Home.FrontLock()); err != nil {
		return fault.Wrap(fault.Failed, err, "wait for the supervisor in the foreground")
	}
	return nil
}

// Keep runs the keeper: it restarts the supervisor whenever it ends, and brings the fleet back if its tmux server is
// gone.
func (f Fleet) Keep(ctx context.Context) error {
	server := f.Server()
	// The parent is the server of this pane. If its socket and note were deleted, it is found by this id and not
	// taken for gone.
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
		Progress: f.progress,
		Revive:   f.revive,
		Upgrades: keeper.Upgrades{
			Request: f.Home.Upgrade(), Outcome: f.Home.UpgradeOutcome(),
			Adopt:        func(program string) error { return supersede(f.Home, program) },
			RestoreState: f.putBack,
		},
		Log:   func(line string) { _, _ = fmt.Fprintln(f.Stderr, line) },
		Clock: f.KeeperClock,
	}.Serve(ctx)
}

// progress returns a value that changes as long as a supervisor that is not ready gets on.
func (f Fleet) progress(pid int) string {
	at := readStage(f.Home)
	p, err := host.Identify(pid)
	if err != nil || at.PID != pid {
		at = stage{}
	}
	return fmt.Sprintf("%d %d %d", at.Step, at.Done, p.CPUTime()/startWork)
}

// revive brings the fleet up. If the fleet has another program by now, it runs that program, because this one may not
// know the format of the state.
func (f Fleet) revive(ctx context.Context) error {
	if current, err := os.Readlink(f.Home.Program()); err == nil && current != f.Exe {
		_, err := run.Do(ctx, run.Cmd{
			Argv: []string{current, "up"}, Dir: string(f.Home), Timeout: startMost + StartLimit,
			Env: f.environ(f.Saved),
		})
		return err
	}
	revived := f
	revived.Environ = f.Saved // the fleet's environment and not the pane's
	_, err := revived.Up(ctx)
	return err
}

// putBack converts the state to the format of this program if a newer program has changed it.
func (f Fleet) putBack(ctx context.Context) error {
	_, err := store.GoBack(ctx, f.Home.DB())
	return err
}

// Pane returns a writer to the terminal of a keeper or a supervisor, which never waits for it.
func Pane(terminal io.Writer) *run.FreeWriter { return run.NewFreeWriter(terminal) }
