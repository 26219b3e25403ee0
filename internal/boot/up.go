package boot

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"muster/internal/text"

	"muster/internal/environ"
	"muster/internal/keeper"
	"muster/internal/lock"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/host"
	"muster/internal/store"
	"muster/internal/tmux"
)

// StartLimit is how long a supervisor may take to be ready. Adopting 200 agents takes less than half a second, and a
// machine may be busy.
const StartLimit = 20 * time.Second

// Started is what Up found or made.
type Started struct {
	Already bool   `json:"already"` // the fleet was up
	PID     int    `json:"pid"`     // of the supervisor
	Warning string `json:"warning,omitempty"`
}

// Up makes sure that the fleet is looked after: environment and program are in place, and tmux server, keeper and
// supervisor run. Several calls at once start one supervisor.
func (f Fleet) Up(ctx context.Context) (Started, error) {
	if err := f.checkTmux(ctx); err != nil {
		return Started{}, err
	}
	_, warning := host.ReadLogind().Advice()
	limit, cancel := context.WithTimeout(ctx, StartLimit)
	defer cancel()
	starting, err := lock.Wait(limit, f.Home.StartLock())
	if err != nil {
		return Started{}, fault.Wrap(fault.Timeout, err, "wait for another `muster up`")
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
	if row, err := db.Fleet(ctx); err == nil { // a server whose socket and note are gone must not stay beside a new one
		if err := f.Server().Remember(row.Server.PID); err != nil {
			return Started{}, err
		}
	}
	// The log is read before the lock: a keeper that lives may start a supervisor this moment, and its event must not be
	// missed.
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
	pid, err := f.start(limit, db, before)
	if err == nil {
		f.Sweep(ctx)
	}
	return Started{PID: pid, Warning: warning}, err
}

// checkTmux returns an error if there is no tmux that will do.
func (f Fleet) checkTmux(ctx context.Context) error {
	env, _ := environ.ForLaunch(f.Environ, nil)
	_, err := tmux.Preflight(ctx, env)
	return err
}

// saveEnv makes the caller's environment that of the fleet: what launches may take of it, for the orders that the log
// and the configuration know of.
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

// learnEnv remembers what the tasks of an earlier version take from the environment.
func (f Fleet) learnEnv(ctx context.Context, db *store.Store) error {
	var names []string
	for t, err := range db.Unfinished(ctx) {
		if err != nil {
			return err
		}
		names = append(names, t.Spec.EnvFrom...)
	}
	return f.NeedEnv(names)
}

// startAgain is the pause between two attempts to start the keeper. One that was just told to be down still lives for a
// moment: it looks like a running keeper, but starts nothing any more.
const startAgain = 500 * time.Millisecond

// start starts tmux server and keeper until a supervisor reports, after an event, that it is ready.
func (f Fleet) start(ctx context.Context, db *store.Store, after int64) (int, error) {
	for {
		_, err := f.Server().Start(ctx, f.hub("keep"))
		if err != nil && ctx.Err() == nil {
			return 0, err
		}
		keeper.Wake(f.Home.KeeperLock())
		step, cancel := context.WithTimeout(ctx, startAgain)
		pid, ready, err := awaitSupervisor(step, db, after)
		cancel()
		switch {
		case err != nil || ready:
			return pid, err
		case errors.Is(ctx.Err(), context.Canceled):
			return 0, ctx.Err()
		case ctx.Err() != nil:
			return 0, fault.New(fault.Timeout, "the supervisor was not ready within %s", StartLimit).
				WithHint("Look at %s, and at its pane: %s", f.Home.Log(), text.Command(f.Server().AttachArgv(HubSession, false)))
		}
	}
}

// hub is the tmux server's first pane, where the keeper runs. It uses the link to the fleet's program: tmux starts the
// pane again with the command it was first started with, and after an upgrade that must be the new program.
func (f Fleet) hub(args ...string) tmux.HubSpec {
	return tmux.HubSpec{
		Session: HubSession, Window: "supervisor", Dir: string(f.Home), Argv: append([]string{f.Home.Program()}, args...),
		Env: []string{environ.Home + "=" + string(f.Home)},
	}
}

// beUp takes back what told the fleet to be down.
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
		return fault.Wrap(fault.Failed, err, "remove the file that keeps the fleet down")
	}
	return nil
}

// Supervised reports whether a supervisor holds its lock now.
func (f Fleet) Supervised() (bool, error) { return lock.Held(f.Home.Lock()) }

// supervised reports whether a supervisor holds its lock now, and its process id, which is 0 if it is unknown.
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

// awaitPause is the pause between two looks at a log or a lock that is about to change.
const awaitPause = 10 * time.Millisecond

// awaitSupervisor waits, as long as ctx lasts, until a supervisor that was started after an event reports that it is
// ready.
func awaitSupervisor(ctx context.Context, db *store.Store, after int64) (pid int, ready bool, err error) {
	tick := time.NewTicker(awaitPause)
	defer tick.Stop()
	for {
		for e, err := range db.Events(ctx, store.EventFilter{After: after}) {
			if ctx.Err() != nil { // a busy machine; the caller's limit is what counts
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

// ToldDown reports whether the fleet was told to be down. Until the next Up nothing that is requested happens.
func (f Fleet) ToldDown() bool {
	_, err := os.Stat(f.Home.Down())
	return err == nil
}

// CanBeUp finds what would keep the fleet from starting, before anything is requested of it. It costs nothing if the
// fleet is up, or is to be down.
func (f Fleet) CanBeUp(ctx context.Context) error {
	if f.Exe == "" || f.ToldDown() || f.InAgentsShell() {
		return nil
	}
	if held, err := f.Supervised(); err == nil && held {
		return nil
	}
	return f.checkTmux(ctx)
}

// Ensure starts the fleet for a request that was just appended to its log, unless it was told to be down; then down is
// true and the request is kept until the next Up. A caller without a program starts nothing. In an agent's shell at most
// the keeper's pane is started again: a fleet that an agent's process starts would have its environment, and end with it.
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
		_ = f.Server().WakeHub(ctx) // a hint: the request is in the log, and a person's next verb starts the fleet
		return false, nil
	}
	_, err = f.Up(ctx)
	return false, err
}

// Foreground prepares a supervisor in the calling process, whose agents live in the tmux server as ever and outlast
// it. It returns the program that panes are to run, and release, which is called when the supervisor has ended.
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
		return "", nil, fault.New(fault.Conflict, "another supervisor looks after %s", f.Home).WithHint("`muster status` shows it.")
	case err != nil:
		return "", nil, err
	}
	if _, err := f.Server().Start(ctx, f.hub("keep", "--stand-in")); err != nil {
		lock.Release(front)
		return "", nil, err
	}
	return exe, func() { lock.Release(front) }, nil
}
