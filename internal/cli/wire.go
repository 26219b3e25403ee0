package cli

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"muster/internal/config"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fleet"
	"muster/internal/home"
	"muster/internal/host"
	"muster/internal/status"
	"muster/internal/store"
	"muster/internal/tmux"
)

// hubSession is the session that the tmux server starts with: the keeper's, and so the supervisor's.
const hubSession = "muster"

// fleetEnv is what belongs to one state directory: the composition root of everything that is not a single call.
type fleetEnv struct {
	env    Env
	home   home.Dir
	config config.Config // the user's, without any project's
	saved  []string      // the environment that the fleet was started with
	// What a supervisor says in its first transaction after an upgrade, and to its keeper when that is committed.
	prologue []event.Payload
	ready    func()
}

// openFleet reads what every part of a fleet needs. It starts nothing.
func openFleet(env Env) (fleetEnv, error) {
	h, userConfig, err := env.home()
	if err != nil {
		return fleetEnv{}, err
	}
	if err := h.Create(); err != nil {
		return fleetEnv{}, err
	}
	cfg, err := config.Load(userConfig, "")
	if err != nil {
		return fleetEnv{}, err
	}
	saved, err := environ.Load(h.Env())
	if err != nil {
		saved = env.Environ // it was never up: this call's environment is what `up` would save
	}
	return fleetEnv{env: env, home: h, config: cfg, saved: saved}, nil
}

// server describes the fleet's tmux server. Its environment is clean: whatever the first client has would reach
// every pane.
func (f fleetEnv) server() *tmux.Server {
	env, _ := environ.ForLaunch(f.saved, nil)
	scope, _ := host.ReadLogind().Advice()
	return tmux.New(tmux.Config{
		Socket: f.home.Socket(), ConfPath: f.home.TmuxConf(), UserConf: f.config.Fleet.TmuxConf, Env: env, Scope: scope,
	})
}

func (f fleetEnv) slots() int {
	if f.config.Fleet.MaxAgents > 0 {
		return f.config.Fleet.MaxAgents
	}
	mem, err := host.Mem()
	if err != nil {
		return config.DefaultMaxAgents(0, host.Cores())
	}
	return config.DefaultMaxAgents(mem.Total, host.Cores())
}

func (f fleetEnv) maxChecks() int {
	if f.config.Fleet.MaxChecks > 0 {
		return f.config.Fleet.MaxChecks
	}
	return max(1, host.Cores()/2)
}

// supervise is the supervisor's whole life: it takes the lock, adopts the fleet and looks after it until it is
// told to be down, ctx ends, or the tmux server is gone.
func (f fleetEnv) supervise(ctx context.Context, exe string) error {
	lock := flock.New(f.home.Lock())
	ok, err := lock.TryLock()
	if err != nil {
		return fault.Wrap(fault.Failed, err, "take the supervisor's lock")
	}
	if !ok {
		return fault.New(fault.Conflict, "another supervisor looks after %s", f.home).WithHint("`muster status` shows it.")
	}
	defer func() { _ = lock.Unlock() }()
	logs, err := openLog(f.home.Log(), logLimit)
	if err != nil {
		return err
	}
	defer func() { _ = logs.Close() }()
	logger := slog.New(slog.NewTextHandler(io.MultiWriter(f.env.Stderr, logs), nil))
	_ = host.RaiseFiles(1 << 16)

	db, err := store.Open(ctx, f.home.DB(), store.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	writer, err := db.NewWriter(ctx)
	if err != nil {
		return err
	}
	server := f.server()
	identity, err := server.Identity(ctx)
	if err != nil {
		return err
	}
	term, err := connectTerminal(ctx, server, logger)
	if err != nil {
		return err
	}
	mach, err := newMachine(f.home, f.config.Fleet, logger)
	if err != nil {
		return err
	}
	watcher, err := status.New(f.home.StatusDir(), f.home.Wake())
	if err != nil {
		return err
	}
	ags := agents{home: f.home, exe: exe, maxChecks: f.maxChecks()}
	recs := &records{
		watcher: watcher, agents: ags, out: make(chan fleet.Batch), flush: make(chan chan struct{}), log: logger,
		offset: func(key string) int64 {
			o, err := db.Offset(context.WithoutCancel(ctx), key)
			if err != nil {
				logger.Error("read offset", "file", key, "err", err)
			}
			return o
		},
	}
	row, err := db.Fleet(ctx)
	if err != nil {
		return err
	}
	boot, err := host.BootID()
	if err != nil {
		logger.Warn("read the boot id", "err", err)
	}

	// Everything that listens ends after the loop has ended, and before this function returns.
	listen, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { term.serve(listen) })
	wg.Go(func() { mach.serve(listen) })
	wg.Go(func() { _ = mach.deaths.Serve(listen) })
	wg.Go(func() { recs.serve(listen) })
	wg.Go(func() {
		if err := watcher.Serve(listen); err != nil && listen.Err() == nil {
			logger.Error("watch status files", "err", err)
		}
	})
	beat := newHeart(f.home.Pulse(), f.config.Fleet.DeadmanURL, boot, logger)
	wg.Go(func() { beat.serve(listen) })
	began := f.env.Now() // its monotonic reading stands still while the host sleeps
	c := fleet.Config{
		Home: f.home, Log: log{store: db, writer: writer}, Terminal: term,
		Works:  works{home: f.home, env: f.saved, branchOf: branchOf(db), opened: &sync.Map{}},
		Agents: ags, Jobs: jobs{home: f.home, agents: ags}, Records: recs, Machine: mach,
		Server:    event.ServerChanged{PID: identity.PID, Started: identity.Started.UTC(), Version: identity.Version},
		ServerWas: event.ServerChanged{PID: row.Server.PID, Started: row.Server.Started.UTC(), Version: row.Server.Version},
		Mode:      mode(row), GateWas: row.Gate, Exe: exe, Slots: f.slots(), Version: Version(), Boot: boot, PID: os.Getpid(),
		Now: f.env.Now, Mono: func() time.Duration { return f.env.Now().Sub(began) }, Logger: logger, Lost: term.lost,
		Prologue: f.prologue, Ready: f.ready, Pulse: beat.note,
	}
	if f.env.Point != nil {
		c = pointed(c, f.env.Point)
	}
	return fleet.New(c).Serve(ctx)
}

func mode(row store.FleetRow) event.DownMode {
	if !row.Down {
		return ""
	}
	return row.Mode
}

// branchOf looks up the branch of another task, for a base such as @t3.
func branchOf(db *store.Store) func(context.Context, event.TaskID) (string, error) {
	return func(ctx context.Context, id event.TaskID) (string, error) {
		t, err := db.Task(ctx, id)
		switch {
		case err != nil:
			return "", err
		case t.Branch == "":
			return "", fault.New(fault.Conflict, "%s has no branch yet, so nothing can start from it", id)
		}
		return t.Branch, nil
	}
}

// startLimit is how long a supervisor may take to be ready: adopting 200 agents takes less than half a second,
// and a machine may be busy.
const startLimit = 20 * time.Second
