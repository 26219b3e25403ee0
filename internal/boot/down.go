package boot

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"muster/internal/lock"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/host"
	"muster/internal/run"
	"muster/internal/store"
)

// keeperEnd is how long a keeper may take to notice that its server is gone.
const keeperEnd = 10 * time.Second

// Down tells the fleet to be down and waits until it is, at most until ctx ends. Meanwhile it calls say from time to
// time with the tasks that it waits for, none if only the supervisor has not ended yet.
func (f Fleet) Down(ctx context.Context, mode event.DownMode, say func([]store.Summary)) error {
	if err := os.WriteFile(f.Home.Down(), nil, 0o600); err != nil {
		return fault.Wrap(fault.Failed, err, "mark the fleet as down").WithHint("Make %s writable.", f.Home)
	}
	db, err := store.Open(ctx, f.Home.DB(), store.Options{Now: f.Now, Version: Version()})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	defer forgetStart(f.Home)         // of a supervisor that was killed while the fleet went down
	supervised, err := f.Supervised() // before the request: afterwards it may be gone at once
	if err != nil {
		return err
	}
	var asked int64
	err = db.Request(ctx, func(tx *store.Tx) error {
		e, err := tx.Append("", 0, event.DownRequested{Mode: mode})
		asked = e.Seq
		return err
	})
	if err != nil {
		return err
	}
	_ = os.WriteFile(f.Home.Wake(), nil, 0o600) // only a hint: the supervisor reads the log later anyway
	waits := &waitsFor{db: db, mode: mode, say: say}
	waits.look(ctx)
	var alone error
	if !supervised { // a conflict means that a keeper has started one meanwhile, which reads the same request
		if alone = f.downAlone(ctx, mode); fault.CodeOf(alone) != fault.Conflict {
			return alone
		}
	}
	stopped, err := awaitStop(ctx, waits, asked)
	switch {
	case stopped:
		return errors.Join(f.awaitUnlocked(ctx), f.endServer(ctx, mode))
	case alone != nil:
		return alone
	case err != nil:
		return err
	}
	return fault.New(fault.Timeout, "the fleet is not down yet").WithHint("`muster status` shows what still runs; `muster down --kill` ends it.")
}

// waitsFor calls a function with the tasks that a fleet that goes down still waits for. It does so at most twice a
// second.
type waitsFor struct {
	db     *store.Store
	mode   event.DownMode
	say    func([]store.Summary)
	looked time.Time
}

func (w *waitsFor) look(ctx context.Context) {
	if w.say == nil || time.Since(w.looked) < lookPause/2 {
		return
	}
	w.looked = time.Now()
	var left []store.Summary
	if w.mode != event.DownLeave {
		all, err := w.db.Running(ctx)
		if err != nil {
			return // it is told to a person only
		}
		for _, t := range all {
			if w.mode == event.DownKill || t.Slot {
				left = append(left, t)
			}
		}
	}
	w.say(left)
}

// awaitStop waits until a supervisor reports after an event that it has stopped, or until ctx ends.
func awaitStop(ctx context.Context, waits *waitsFor, after int64) (bool, error) {
	tick := time.NewTicker(awaitPause)
	defer tick.Stop()
	for {
		for e, err := range waits.db.Events(ctx, store.EventFilter{After: after}) {
			if ctx.Err() != nil {
				return false, nil
			}
			if err != nil {
				return false, err
			}
			if _, ok := e.Data.(event.SupervisorStopped); ok {
				return true, nil
			}
			after = e.Seq
		}
		waits.look(ctx)
		select {
		case <-ctx.Done():
			return false, nil
		case <-tick.C:
		}
	}
}

// tries is how many supervisors downAlone starts if the ones before were killed.
const tries = 3

// downAlone takes a fleet without a supervisor down. If agents have to end, it runs a supervisor as a child process
// until they have ended.
func (f Fleet) downAlone(ctx context.Context, mode event.DownMode) error {
	if mode == event.DownLeave {
		return nil
	}
	if _, err := f.Server().Identity(ctx); err == nil {
		exe, err := f.Program() // processes that the supervisor starts may outlive this program's file
		if err != nil {
			return err
		}
		for try := 1; ; try++ {
			err := f.superviseOnce(ctx, exe)
			if e, ok := errors.AsType[*run.ExitError](err); ok && e.Signal != 0 && try < tries && ctx.Err() == nil {
				continue // killed: another one goes on where it was
			}
			if err != nil {
				return fault.Wrap(fault.CodeOf(err), err, "end the agents").WithHint("Run the same `muster down` again; %s is the supervisor's log.", f.Home.Log())
			}
			break
		}
	}
	return f.endServer(ctx, mode)
}

// superviseOnce runs a supervisor until the fleet is down. fault.Conflict means that another supervisor runs.
func (f Fleet) superviseOnce(ctx context.Context, exe string) error {
	_, err := run.Do(ctx, run.Cmd{
		Argv: []string{exe, "supervise"}, Dir: string(f.Home), Timeout: -1, Env: f.environ(f.Environ),
		Stop: func(pid int) { // it ends cleanly when it is asked to
			p, err := host.Identify(pid)
			if err != nil {
				return
			}
			_ = p.Signal(syscall.SIGTERM)
			wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), keeperEnd)
			defer cancel()
			if host.Await(wait, p) != nil {
				_ = p.Signal(syscall.SIGKILL)
			}
		},
	})
	if e, ok := errors.AsType[*run.ExitError](err); ok && e.Exit == fault.ExitCode(fault.New(fault.Conflict, "")) {
		return fault.Wrap(fault.Conflict, err, "another supervisor runs for %s", f.Home).WithHint("`muster status` shows it.")
	}
	return err
}

// awaitUnlocked waits until the supervisor, which has written its last event, has released its lock, so that it does
// not seem to run after Down. It also waits for the keeper's lock: a keeper that reads the down marker only after the
// next Up would start a second supervisor.
func (f Fleet) awaitUnlocked(ctx context.Context) error {
	if err := awaitFree(ctx, f.Home.Lock()); err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, keeperEnd)
	defer cancel()
	if err := awaitFree(limit, f.Home.KeeperLock()); err != nil && limit.Err() == nil {
		return err
	}
	return ctx.Err()
}

// awaitFree waits until no process holds a lock.
func awaitFree(ctx context.Context, path string) error {
	tick := time.NewTicker(awaitPause)
	defer tick.Stop()
	for {
		held, err := lock.Held(path)
		if err != nil || !held {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// endServer ends the tmux server if the agents had to end. Otherwise it stays, with agents or their last screens.
func (f Fleet) endServer(ctx context.Context, mode event.DownMode) error {
	if mode != event.DownKill {
		return nil
	}
	if err := f.Server().Kill(ctx); err != nil {
		return err
	}
	// The keeper outlives its server for a moment, to read the down marker. A caller that removes the state directory
	// next must not remove the marker before that.
	limit, cancel := context.WithTimeout(ctx, keeperEnd)
	defer cancel()
	if err := awaitFree(limit, f.Home.KeeperLock()); err != nil {
		return fault.Wrap(fault.Timeout, err, "the keeper has not ended yet").WithHint("Run `muster down --kill` again.")
	}
	return nil
}
