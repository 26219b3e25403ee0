package boot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/host"
	"muster/internal/keeper"
	"muster/internal/lock"
	"muster/internal/status"
	"muster/internal/store"
	"muster/internal/tmux"
)

// Started is the result of Up.
type Started struct {
	Already bool   `json:"already"` // the fleet was up
	PID     int    `json:"pid"`     // of the supervisor
	Warning string `json:"warning,omitempty"`
}

// Up makes sure that the fleet is supervised: environment and program are in place, and tmux server, keeper and
// supervisor run. Several calls at the same time start one supervisor. A start is waited for as long as it gets on.
func (f Fleet) Up(ctx context.Context) (Started, error) {
	return f.up(ctx, func() bool { return false })
}

// up is Up. It returns without taking over the caller's environment if enough reports true while it waits for another
// call.
func (f Fleet) up(ctx context.Context, enough func() bool) (Started, error) {
	if err := f.checkTmux(ctx); err != nil {
		return Started{}, err
	}
	_, logout := host.ReadLogind().Advice()
	warning := f.warning(logout)
	starting, err := f.takeTurn(ctx, enough)
	if err != nil {
		return Started{}, err
	}
	if starting == nil {
		return Started{Already: true, Warning: warning}, nil
	}
	defer lock.Release(starting)
	db, err := store.Open(ctx, f.Home.DB(), store.Options{})
	if err != nil {
		return Started{}, err
	}
	defer func() { _ = db.Close() }()
	if err := f.saveEnv(ctx, db); err != nil {
		return Started{}, err
	}
	if err := f.beUp(ctx, db); err != nil {
		return Started{}, err
	}
	if row, err := db.Fleet(ctx); err == nil { // a server that lost its socket and note must not stay beside a new one
		if err := f.Server().Remember(row.Server.PID); err != nil {
			return Started{}, err
		}
	}
	// The log is read before the lock. A running keeper may start a supervisor at this moment, and its event must not
	// be missed.
	before, err := db.LastSeq(ctx)
	if err != nil {
		return Started{}, err
	}
	if held, pid := f.supervised(ctx, db); held {
		return Started{Already: true, PID: pid, Warning: warning}, nil
	}
	if _, err := f.Program(); err != nil {
		return Started{}, err
	}
	pid, unscoped, err := f.start(ctx, db, before, func() {
		now := time.Now()
		_ = os.Chtimes(f.Home.StartLock(), now, now) // the calls that wait for this one see that it gets on
	})
	if unscoped != nil {
		warning = "agents may end at logout: their tmux server could not be started in a scope of the user's service manager: " + unscoped.Error()
	}
	if err == nil {
		f.Sweep(ctx)
	}
	return Started{PID: pid, Warning: warning}, err
}

// warning adds to what is to be said of logout that the kernel reports no changes of files, if so.
func (f Fleet) warning(logout string) string {
	err := status.CanWatch(f.Home.StatusDir())
	if err == nil {
		return logout
	}
	polled := fmt.Sprintf("%v: they are read every second. %s", err, fault.HintOf(err))
	if logout == "" {
		return polled
	}
	return logout + "\n" + polled
}

// checkTmux returns an error if there is no suitable tmux.
func (f Fleet) checkTmux(ctx context.Context) error {
	env, _ := environ.ForLaunch(f.Environ, nil)
	_, err := tmux.Preflight(ctx, env)
	return err
}

// saveEnv makes the caller's environment the fleet's: the variables of the allow-list, and those that orders and the
// configuration name.
func (f *Fleet) saveEnv(ctx context.Context, db *store.Store) error {
	if _, err := os.Stat(f.Home.EnvNames()); errors.Is(err, fs.ErrNotExist) {
		if err := f.learnEnv(ctx, db); err != nil {
			return err
		}
	}
	if err := environ.Save(f.Home.Env(), f.Environ, f.envNames()); err != nil {
		return err
	}
	var err error
	f.Saved, err = environ.Load(f.Home.Env())
	return err
}

// ReduceEnv removes from the saved environment what no launch may take. Versions that kept no list of names saved
// everything that `muster up` saw. A call of Up that runs now saves the environment itself.
func (f Fleet) ReduceEnv(ctx context.Context, db *store.Store) error {
	starting, err := lock.Try(f.Home.StartLock())
	if errors.Is(err, lock.ErrHeld) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Release(starting)
	saved, err := environ.Load(f.Home.Env())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(f.Home.EnvNames()); errors.Is(err, fs.ErrNotExist) {
		if err := f.learnEnv(ctx, db); err != nil {
			return err
		}
	}
	if kept, _ := environ.ForLaunch(saved, f.envNames()); len(kept) == len(saved) {
		return nil
	}
	return environ.Save(f.Home.Env(), saved, f.envNames())
}

// learnEnv saves the names of the variables that the unfinished tasks of an earlier version use.
func (f Fleet) learnEnv(ctx context.Context, db *store.Store) error {
	var names []string
	for t, err := range db.Unfinished(ctx) {
		if err != nil {
			return err
		}
		names = append(names, t.Spec.EnvFrom...)
		for _, a := range t.Spec.Accounts {
			names = slices.AppendSeq(names, maps.Values(a.EnvFrom))
		}
	}
	return f.NeedEnv(names)
}

// startAgain is the pause between two attempts to start the keeper. A keeper that was just told to be down runs for a
// moment longer, but starts nothing.
const startAgain = 500 * time.Millisecond

// start starts tmux server and keeper, again and again, until a supervisor reports after an event that it is ready, or
// until that does not get on. It calls onward at each progress. It returns the supervisor's pid, and why the server
// runs outside of the scope that it should have; nil if it does not.
func (f Fleet) start(ctx context.Context, db *store.Store, after int64, onward func()) (pid int, unscoped, err error) {
	patience := f.newPatience(onward)
	for pause := startAgain; ; pause = min(2*pause, 4*startAgain) {
		server := f.Server()
		_, err := server.Start(ctx, f.hub("keep"))
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && patience.over() == nil {
			continue // a busy machine
		}
		if err != nil {
			return 0, nil, err
		}
		if err := server.Unscoped(); err != nil {
			unscoped = err
		}
		keeper.Wake(f.Home.KeeperLock())
		step, cancel := context.WithTimeout(ctx, pause)
		pid, ready, err := awaitSupervisor(step, db, after)
		cancel()
		if err != nil || ready {
			return pid, unscoped, err
		}
		if ctx.Err() != nil {
			return 0, unscoped, ctx.Err()
		}
		if err := patience.over(); err != nil {
			return 0, unscoped, err
		}
	}
}

// hub describes the first pane of the tmux server, in which the keeper runs. It names the link to the fleet's
// program, because tmux restarts a pane with its first command, and after an upgrade that must run the new program.
func (f Fleet) hub(args ...string) tmux.HubSpec {
	return tmux.HubSpec{
		Session: HubSession, Window: "supervisor", Dir: string(f.Home), Argv: append([]string{f.Home.Program()}, args...),
		Env: []string{environ.Home + "=" + string(f.Home)},
	}
}

// beUp cancels the request to be down.
func (f Fleet) beUp(ctx context.Context, db *store.Store) error {
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
	if err := os.Remove(f.Home.Down()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(fault.Failed, err, "remove the down marker")
	}
	return nil
}

// Supervised reports whether a supervisor holds its lock now.
func (f Fleet) Supervised() (bool, error) { return lock.Held(f.Home.Lock()) }

// supervised reports whether a supervisor holds its lock now, and returns its process id; 0 if that is unknown.
func (f Fleet) supervised(ctx context.Context, db *store.Store) (bool, int) {
	held, err := f.Supervised()
	if err != nil || !held {
		return false, 0
	}
	row, err := db.Fleet(ctx)
	if err != nil {
		return true, 0
	}
	return true, row.Supervisor.PID
}

// awaitPause is the pause between two reads of a log or a lock that is about to change.
const awaitPause = 10 * time.Millisecond

// awaitSupervisor waits until a supervisor that was started after an event reports that it is ready, or until ctx
// ends.
func awaitSupervisor(ctx context.Context, db *store.Store, after int64) (pid int, ready bool, err error) {
	tick := time.NewTicker(awaitPause)
	defer tick.Stop()
	for {
		for e, err := range db.Events(ctx, store.EventFilter{After: after}) {
			if ctx.Err() != nil { // the caller reports its own timeout
				return 0, false, nil
			}
			if err != nil {
				return 0, false, err
			}
			if s, ok := e.Data.(event.SupervisorStarted); ok {
				return s.PID, true, nil
			}
			after = e.Seq
		}
		select {
		case <-ctx.Done():
			return 0, false, nil
		case <-tick.C:
		}
	}
}

// ToldDown reports whether the fleet was told to be down. Requests wait until the next Up then.
func (f Fleet) ToldDown() bool {
	_, err := os.Stat(f.Home.Down())
	return err == nil
}

// CanBeUp returns an error if the fleet cannot start. It is called before a request is made. It is cheap if the fleet
// is up or was told to be down.
func (f Fleet) CanBeUp(ctx context.Context) error {
	if f.Exe == "" || f.ToldDown() || f.InAgentsShell() {
		return nil
	}
	if held, err := f.Supervised(); err == nil && held {
		return nil
	}
	return f.checkTmux(ctx)
}

// Ensure starts the fleet for a request that was just appended to its log. If the fleet was told to be down, it
// returns down = true, and the request waits for the next Up. A caller without a program starts nothing. In an
// agent's shell it only restarts the keeper's pane: a fleet that an agent's process started would have its
// environment and end with it.
func (f Fleet) Ensure(ctx context.Context) (down bool, err error) {
	if f.ToldDown() {
		return true, nil
	}
	if f.Exe == "" {
		return false, nil
	}
	if held, err := f.Supervised(); err == nil && held {
		return false, nil
	}
	if f.InAgentsShell() {
		_ = f.Server().WakeHub(ctx) // errors are ignored: the request is in the log, and a person's next verb starts the fleet
		return false, nil
	}
	_, err = f.up(ctx, func() bool { held, err := f.Supervised(); return err == nil && held })
	return false, err
}

// Foreground prepares a supervisor in the calling process. Its agents live in the tmux server as usual and outlive
// it. It returns the program for panes, and release, which must be called when the supervisor has ended.
func (f *Fleet) Foreground(ctx context.Context) (exe string, release func(), err error) {
	if err := f.checkTmux(ctx); err != nil {
		return "", nil, err
	}
	db, err := store.Open(ctx, f.Home.DB(), store.Options{})
	if err != nil {
		return "", nil, err
	}
	if err := errors.Join(f.saveEnv(ctx, db), f.beUp(ctx, db), db.Close()); err != nil {
		return "", nil, err
	}
	if exe, err = f.Program(); err != nil {
		return "", nil, err
	}
	front, err := lock.TakeUnsigned(f.Home.FrontLock())
	switch {
	case errors.Is(err, lock.ErrHeld):
		return "", nil, fault.New(fault.Conflict, "another supervisor runs for %s", f.Home).WithHint("`muster status` shows it.")
	case err != nil:
		return "", nil, err
	}
	if _, err := f.Server().Start(ctx, f.hub("keep", "--stand-in")); err != nil {
		lock.Release(front)
		return "", nil, err
	}
	return exe, func() { lock.Release(front) }, nil
}
