package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"muster/internal/boot"
	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fleet"
	"muster/internal/host"
	"muster/internal/life"
	"muster/internal/lock"
	"muster/internal/notify/post"
	"muster/internal/status"
	"muster/internal/store"
)

// Options configures a supervisor.
type Options struct {
	Fleet boot.Fleet
	Exe   string // the program that panes and hooks run
	// Prologue is appended in the supervisor's first transaction after an upgrade. Ready is called after that commit.
	Prologue []event.Payload
	Ready    func()
	// Beat is called after each look at the whole fleet. It may be nil.
	Beat func()
	// Services run beside the supervisor's loop, by their names: those of packages that stand below this one. It may be nil.
	Services map[string]Service
	// Wrap replaces edges of the supervisor, for the failpoints of tests. nil replaces none.
	Wrap func(fleet.Config) fleet.Config
}

// Service runs beside the supervisor's loop, as long as the loop does.
type Service interface {
	// Serve returns when ctx ends, or earlier if it cannot continue.
	Serve(ctx context.Context) error
}

// Serve runs a supervisor: it takes the lock, adopts the fleet and supervises it until the fleet is told to be down,
// ctx ends, or the tmux server is gone. fault.Conflict means that another supervisor runs.
func Serve(ctx context.Context, o Options) error {
	f := o.Fleet
	held, err := lock.TakeUnsigned(f.Home.Lock())
	switch {
	case errors.Is(err, lock.ErrHeld):
		return fault.New(fault.Conflict, "another supervisor runs for %s", f.Home).WithHint("`muster status` shows it.")
	case err != nil:
		return fault.Wrap(fault.Failed, err, "take the supervisor's lock")
	}
	defer lock.Release(held)
	starting := boot.NewStarting(f.Home)
	defer starting.Ready() // also where the start fails, for example because the server has gone
	starting.Begin("opening the log")
	logs, err := openLog(f.Home.Log(), logLimit)
	if err != nil {
		return err
	}
	defer func() { _ = logs.Close() }()
	logger := slog.New(slog.NewTextHandler(io.MultiWriter(f.Stderr, logs), nil))
	_ = debug.SetCrashOutput(logs.file, debug.CrashOptions{}) // a panic must not be in the pane only
	_ = host.RaiseFiles(1 << 16)

	db, err := store.Open(ctx, f.Home.DB(), store.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if err := f.ReduceEnv(ctx, db); err != nil {
		logger.Warn("reduce the saved environment", "err", err)
	}
	starting.Begin("connecting to tmux")
	c, services, err := connect(ctx, o, db, logger)
	if err != nil {
		return err
	}
	starting.Begin("adopting agents")
	c.Adopting = starting.Count
	if o.Beat != nil {
		note := c.Pulse
		c.Pulse = func(p fleet.Pulse) {
			note(p)
			o.Beat()
		}
	}
	c.Ready = func() {
		starting.Ready()
		if o.Ready != nil {
			o.Ready()
		}
	}
	if o.Wrap != nil {
		c = o.Wrap(c)
	}
	maps.Copy(services, o.Services)
	// The services end after the loop and before this function returns.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer func() {
		if !waitFor(&wg, servicesEnd) {
			logger.Error("services of the supervisor have not ended; it ends without them")
		}
	}()
	defer stop()
	for name, s := range services {
		wg.Go(func() {
			if err := s.Serve(serving); err != nil && serving.Err() == nil {
				logger.Error("a service of the supervisor ended", "service", name, "err", err)
			}
		})
	}
	return fleet.New(c).Serve(ctx)
}

// servicesEnd is how long a supervisor that ends waits for its services. None of them has anything to save, and the
// fleet is unattended meanwhile.
const servicesEnd = 5 * time.Second

// waitFor waits for a group, and reports whether it has ended in time.
func waitFor(wg *sync.WaitGroup, limit time.Duration) bool {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		wg.Wait()
	}()
	enough := time.NewTimer(limit)
	defer enough.Stop()
	select {
	case <-ended:
		return true
	case <-enough.C:
		return false
	}
}

// connect opens the edges of a supervisor and returns the services that must run as long as it does.
func connect(ctx context.Context, o Options, db *store.Store, logger *slog.Logger) (fleet.Config, map[string]Service, error) {
	var none fleet.Config
	f := o.Fleet
	writer, err := db.NewWriter(ctx)
	if err != nil {
		return none, nil, err
	}
	server := f.Server()
	identity, err := server.Identity(ctx)
	if err != nil {
		return none, nil, err
	}
	term, err := connectTerminal(ctx, server, logger)
	if err != nil {
		return none, nil, err
	}
	mach, err := newMachine(f, logger)
	if err != nil {
		return none, nil, err
	}
	watcher, err := status.New(f.Home.StatusDir(), f.Home.Wake())
	if err != nil {
		return none, nil, err
	}
	row, err := db.Fleet(ctx)
	if err != nil {
		return none, nil, err
	}
	bootID, err := host.BootID()
	if err != nil {
		logger.Warn("read the boot id", "err", err)
	}
	beat := newHeartbeat(f.Home, f.Config.Fleet.DeadmanURL, bootID, logger)
	trees := worktrees{home: f.Home, env: f.Saved, other: db.Task, opened: &sync.Map{}}
	ags := agents{home: f.Home, exe: o.Exe, maxChecks: f.MaxChecks(), repo: trees.agentPaths, base: trees.baseFiles}
	chs := newChanges(trees, db.Followed, f.Saved, f.Config.ForgeOf, f.Now, logger)
	recs := newRecords(watcher, ags, db, beat.setPolling, logger)
	notices := post.NewService(f.Home, db, f.Config.Notify, f.Now, logger)
	began := f.Now() // its monotonic reading excludes the time that the host sleeps
	c := fleet.Config{
		Home: f.Home, Log: log{store: db, writer: writer, wrote: notices.Wake}, Terminal: term,
		Worktrees: trees, Shipper: trees, Merger: trees, Launcher: ags, Channel: ags, Jobs: jobs{home: f.Home, agents: ags, evidence: boot.NewEvidence(f.Home)}, Records: recs, Changes: chs,
		Processes: mach, Admission: []fleet.Admission{mach},
		Server:    event.ServerChanged{PID: identity.PID, Started: identity.Started.UTC(), Version: identity.Version},
		ServerWas: event.ServerChanged{PID: row.Server.PID, Started: row.Server.Started.UTC(), Version: row.Server.Version},
		Accounts:  accounts(f.Config),
		Night:     allowance(f.Config, f.Config.Budget.Night.SharedBudget),
		Mode:      mode(row), GateWas: row.Gate, Exe: o.Exe, Slots: f.Slots(), Version: boot.Version(), Boot: bootID, PID: os.Getpid(),
		Now: f.Now, Mono: func() time.Duration { return f.Now().Sub(began) }, Logger: logger, Lost: term.lost,
		Prologue: o.Prologue, Pulse: beat.note,
	}
	return c, map[string]Service{
		"terminal": term, "machine": mach, "deaths": mach.deaths, "records": recs, "status files": watcher, "heartbeat": beat, "notices": notices, "changes": chs,
	}, nil
}

// accounts returns the settings of the configured accounts.
func accounts(c config.Config) (out []fleet.AccountSettings) {
	for _, a := range c.Accounts {
		out = append(out, fleet.AccountSettings{
			Name: event.AccountID(a.Name), MaxAgents: a.MaxAgents, Spread: a.Spread, PreferBelow: a.PreferBelow, Allowance: allowance(c, a.Budget),
		})
	}
	return out
}

// allowance returns a budget that is renewed each night.
func allowance(c config.Config, b event.SharedBudget) life.Allowance {
	return life.Allowance{SharedBudget: b, Dusk: c.Budget.Night.Dusk()}
}

// mode returns how the fleet was told to be down; "" if it was not.
func mode(row store.FleetRow) event.DownMode {
	if !row.Down {
		return ""
	}
	return row.Mode
}
