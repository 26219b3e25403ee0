package boot

import (
	"context"
	"errors"
	"os"
	"time"

	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/host"
	"muster/internal/lock"
	"muster/internal/text"
)

// Limits of a start.
const (
	// StartLimit is how long the start of a supervisor may take without progress. Adopting 200 agents takes less than
	// half a second on an idle machine; on a busy one it takes as long as it takes.
	StartLimit = 20 * time.Second
	// startMost is how long a start may take in all.
	startMost = 10 * time.Minute
	// turnSlack is how much longer than StartLimit a call of Up waits for one before it that shows no progress. That one
	// gives up first, and says why.
	turnSlack = 10 * time.Second
	// startWork is the CPU time that counts as progress. A process that only waits uses less within StartLimit.
	startWork = 50 * time.Millisecond
	// lookPause is the pause between two looks at the progress of a start, which read the table of processes.
	lookPause = time.Second
)

// patience decides how long a start is waited for: as long as it gets on, and startMost in all. Progress is a stage that
// no supervisor of this start has reached before, or CPU time of what the keeper has started. A supervisor that ends
// and starts again makes no progress by that.
type patience struct {
	f      Fleet
	limit  time.Duration
	began  time.Time
	since  time.Time // of the last progress
	looked time.Time
	now    stage
	best   stage // the furthest one
	work   time.Duration
	onward func() // called at each progress
}

func (f Fleet) newPatience(onward func()) *patience {
	now := time.Now()
	forgetStart(f.Home)
	return &patience{f: f, limit: f.startLimit(), began: now, since: now, onward: onward}
}

// forgetStart removes the stage of a supervisor that died before it was ready.
func forgetStart(h home.Dir) {
	if s := readStage(h); s.PID > 0 && !alive(s.PID) {
		_ = os.Remove(h.Starting())
	}
}

// alive reports whether there is a process with the pid.
func alive(pid int) bool {
	p, err := host.Identify(pid)
	return err == nil && p.Alive()
}

// startLimit returns StartLimit, or the limit of a test.
func (f Fleet) startLimit() time.Duration {
	if f.StartLimit > 0 {
		return f.StartLimit
	}
	return StartLimit
}

// over returns an error if it makes no sense to wait any longer.
func (p *patience) over() error {
	now := time.Now()
	if now.Sub(p.looked) >= min(lookPause, p.limit/10) {
		p.look(now)
	}
	p.f.Tell("waiting for the supervisor: %s", p.now)
	switch {
	case now.Sub(p.began) > max(startMost, p.limit):
		return p.lost("the supervisor was not ready within %s; it is %s", max(startMost, p.limit), p.now)
	case now.Sub(p.since) > p.limit:
		return p.lost("the supervisor was not ready, and made no progress for %s; it is %s", p.limit, p.now)
	}
	return nil
}

func (p *patience) look(now time.Time) {
	p.looked = now
	p.now = readStage(p.f.Home)
	work := p.f.startWork()
	if !p.now.beyond(p.best) && work < p.work+startWork {
		return
	}
	if p.now.beyond(p.best) {
		p.best = p.now
	}
	p.work, p.since = max(work, p.work), now
	p.onward()
}

func (p *patience) lost(format string, args ...any) error {
	return fault.New(fault.Timeout, format, args...).
		WithHint("See %s, and its pane: %s", p.f.Home.Log(), text.Command(p.f.Server().AttachArgv(HubSession, false)))
}

// startWork returns the CPU time of the processes that the keeper has started and that still run: the supervisor and
// its programs.
func (f Fleet) startWork() (sum time.Duration) {
	keeper, ok := lock.Holder(f.Home.KeeperLock())
	if !ok {
		return 0
	}
	procs, err := host.Tree(keeper)
	if err != nil {
		return 0
	}
	for _, p := range procs {
		sum += p.CPUTime()
	}
	return sum
}

// turn is what a call of Up sees of the one before it: it gets on if any of this changes.
type turn struct {
	pid     int
	touched time.Time
	work    time.Duration // in units of startWork
}

func (f Fleet) readTurn() (t turn) {
	t.pid, _ = lock.Holder(f.Home.StartLock())
	if st, err := os.Stat(f.Home.StartLock()); err == nil {
		t.touched = st.ModTime()
	}
	if p, err := host.Identify(t.pid); t.pid > 0 && err == nil {
		t.work = p.CPUTime() / startWork
	}
	return t
}

// turnPause is the pause between two attempts to take the lock of a start. Fifty verbs may come at once.
const turnPause = 50 * time.Millisecond

// takeTurn takes the lock of a start. Where many come at the same time, each waits for those before it, as long as
// these get on. It returns nil without an error as soon as enough reports that nothing is to be started any more.
func (f Fleet) takeTurn(ctx context.Context, enough func() bool) (*os.File, error) {
	var seen turn
	since := time.Now()
	tick := time.NewTicker(turnPause)
	defer tick.Stop()
	for {
		held, err := lock.Try(f.Home.StartLock())
		switch {
		case err == nil:
			if err := lock.Sign(held); err != nil {
				lock.Release(held)
				return nil, f.unlockable(err)
			}
			return held, nil
		case !errors.Is(err, lock.ErrHeld):
			return nil, f.unlockable(err)
		case enough():
			return nil, nil
		}
		if now := f.readTurn(); now != seen {
			seen, since = now, time.Now()
		}
		f.Tell("waiting for another muster that starts the fleet")
		if time.Since(since) > f.startLimit()+turnSlack {
			return nil, f.turnLost(seen)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fault.Wrap(fault.Timeout, context.Cause(ctx), "wait for another muster that starts the fleet")
		}
	}
}

// unlockable returns the error about a lock of a start that cannot be taken by anybody.
func (f Fleet) unlockable(err error) error {
	return fault.Wrap(fault.Failed, err, "take the lock of a start").WithHint("See that %s can be written, then try again.", f.Home)
}

// turnLost returns the error about a process that holds the lock of a start and does not get on.
func (f Fleet) turnLost(t turn) error {
	limit := f.startLimit() + turnSlack
	p, err := host.Identify(t.pid)
	switch {
	case t.pid == 0 || err != nil:
		return fault.New(fault.Timeout, "another process starts the fleet, and has made no progress for %s", limit).
			WithHint("Find it by `fuser %s`, and end it.", f.Home.StartLock())
	case p.Stopped():
		return fault.New(fault.Timeout, "process %d starts the fleet, and was stopped", t.pid).
			WithHint("Continue it: kill -CONT %d", t.pid)
	}
	return fault.New(fault.Timeout, "process %d starts the fleet, and has made no progress for %s", t.pid, limit).
		WithHint("End it: kill %d", t.pid)
}
