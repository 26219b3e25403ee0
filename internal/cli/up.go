package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gofrs/flock"

	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/host"
	"muster/internal/launch"
	"muster/internal/lock"
	"muster/internal/store"
	"muster/internal/tmux"
)

// started is what `up` found or made.
type started struct {
	Already bool   `json:"already"` // it was up
	PID     int    `json:"pid"`
	Warning string `json:"warning,omitempty"`
}

// up makes sure that the fleet is looked after: environment and program in place, tmux server, keeper,
// supervisor. Any number of them at once start one.
func (f fleetEnv) up(ctx context.Context) (started, error) {
	env, _ := environ.ForLaunch(f.env.Environ, nil)
	if _, err := tmux.Preflight(ctx, env); err != nil {
		return started{}, err
	}
	_, warning := host.ReadLogind().Advice()
	lock := flock.New(f.home.StartLock())
	limit, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if ok, err := lock.TryLockContext(limit, 20*time.Millisecond); err != nil || !ok {
		return started{}, fault.Wrap(fault.Timeout, err, "wait for another `muster up`")
	}
	defer func() { _ = lock.Unlock() }()
	db, err := store.Open(ctx, f.home.DB(), store.Options{})
	if err != nil {
		return started{}, err
	}
	defer func() { _ = db.Close() }()
	if err := environ.Save(f.home.Env(), f.env.Environ); err != nil {
		return started{}, err
	}
	f.saved = f.env.Environ
	if err := f.beUp(ctx, db); err != nil {
		return started{}, err
	}
	if row, err := db.Fleet(ctx); err == nil { // a server whose socket and note are gone must not stay beside a new one
		if err := f.server().Remember(row.Server.PID); err != nil {
			return started{}, err
		}
	}
	// Before the look at the lock: a keeper that lives may start a supervisor this moment, and its word must not be missed.
	before, err := db.LastSeq(ctx)
	if err != nil {
		return started{}, err
	}
	if held, pid := f.supervised(ctx, db); held {
		return started{Already: true, PID: pid, Warning: warning}, nil
	}
	if _, err := f.program(); err != nil {
		return started{}, err
	}
	pid, err := f.start(limit, before)
	if err == nil {
		f.sweep(ctx)
	}
	return started{PID: pid, Warning: warning}, err
}

// startAgain is how often starting is looked after: a keeper that was just told to be down is still there for a
// moment, and is found alive, but it is about to end in good order and starts nothing more.
const startAgain = 500 * time.Millisecond

// start starts tmux server and keeper until a supervisor says, after an event, that it is ready.
func (f fleetEnv) start(ctx context.Context, after int64) (int, error) {
	for {
		_, err := f.server().Start(ctx, f.hub("keep"))
		if err != nil && ctx.Err() == nil {
			return 0, err
		}
		launch.Hurry(f.home.KeeperLock())
		step, cancel := context.WithTimeout(ctx, startAgain)
		pid, ready, err := f.awaitSupervisor(step, after)
		cancel()
		switch {
		case err != nil || ready:
			return pid, err
		case errors.Is(ctx.Err(), context.Canceled):
			return 0, ctx.Err()
		case ctx.Err() != nil:
			return 0, fault.New(fault.Timeout, "the supervisor was not ready within %s", startLimit).
				WithHint("Look at %s, and at its pane: %s", f.home.Log(), printable(f.server().AttachArgv(hubSession, false)))
		}
	}
}

// hub is the tmux server's first pane, where the keeper runs. It goes by the link to the fleet's program: tmux starts
// it again as it was started first, and after an upgrade that shall be the new program.
func (f fleetEnv) hub(args ...string) tmux.HubSpec {
	return tmux.HubSpec{
		Session: hubSession, Window: "supervisor", Dir: string(f.home), Argv: append([]string{f.home.Program()}, args...),
		Env: []string{"MUSTER_HOME=" + string(f.home)},
	}
}

// beUp takes back what told the fleet to be down.
func (f fleetEnv) beUp(ctx context.Context, db *store.Store) error {
	row, err := db.Fleet(ctx)
	if err != nil {
		return err
	}
	if row.Down {
		err := db.Request(ctx, func(tx *store.Tx) error {
			_, err := tx.Append("", 0, event.UpRequested{})
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := os.Remove(f.home.Down()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(fault.Failed, err, "take the mark of being down away")
	}
	return nil
}

// supervised tells whether a supervisor lives: the kernel knows by its lock.
func (f fleetEnv) supervised(ctx context.Context, db *store.Store) (bool, int) {
	held, err := lock.Held(f.home.Lock())
	if err != nil || !held {
		return false, 0
	}
	row, err := db.Fleet(ctx)
	if err != nil {
		return true, 0
	}
	return true, row.Supervisor.PID
}

// awaitSupervisor waits, as long as ctx lasts, until a supervisor that was started after an event says that it is
// ready.
func (f fleetEnv) awaitSupervisor(ctx context.Context, after int64) (pid int, ready bool, err error) {
	c, err := openControl(ctx, f.env)
	if err != nil {
		if ctx.Err() != nil { // a busy machine; the caller's limit is what counts
			err = nil
		}
		return 0, false, err
	}
	defer func() { _ = c.Close() }()
	for e, err := range c.Watch(ctx, after, "") {
		if err != nil {
			if ctx.Err() != nil {
				err = nil
			}
			return 0, false, err
		}
		if s, ok := e.Data.(event.SupervisorStarted); ok {
			return s.PID, true, nil
		}
	}
	return 0, false, nil
}

// canBeUp finds what would keep the fleet from starting, before anything is asked of it. It costs nothing where the
// fleet is up, or is to be down.
func (f fleetEnv) canBeUp(ctx context.Context) error {
	if _, err := os.Stat(f.home.Down()); err == nil {
		return nil
	}
	if held, err := lock.Held(f.home.Lock()); err == nil && held {
		return nil
	}
	env, _ := environ.ForLaunch(f.env.Environ, nil)
	_, err := tmux.Preflight(ctx, env)
	return err
}

// ensureUp starts the fleet for a verb that appended a request, unless it was told to be down.
func (f fleetEnv) ensureUp(ctx context.Context) error {
	if _, err := os.Stat(f.home.Down()); err == nil {
		_, err := fmt.Fprintln(f.env.Stderr, "The fleet is down: this is kept until `muster up`.")
		return err
	}
	held, err := lock.Held(f.home.Lock())
	if err == nil && held {
		return nil
	}
	_, err = f.up(ctx)
	return err
}
