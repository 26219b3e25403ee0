package keeper

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"muster/internal/lock"
	"muster/internal/run"
	"muster/internal/text"
)

// Delays and limits.
const (
	firstDelay   = 100 * time.Millisecond // after one death the supervisor is back at once
	longestDelay = time.Minute
	healthyLife  = time.Minute      // after a run of this length the delay starts again at the first
	stopLimit    = 10 * time.Second // from SIGTERM to SIGKILL
	firstProbe   = 100 * time.Millisecond
	lastProbe    = 6 * time.Second // a server that lives this long after a hang-up has survived
	reviveTries  = 10
	reviveDelay  = time.Second // the first delay; the cause of the server's death may persist
)

// Keeper keeps the supervisor running. It is the first process of the supervisor's pane. It alone survives the death of the
// tmux server, which sends SIGHUP to all its panes.
type Keeper struct {
	Supervise  []string                        // argv of the supervisor; its first word changes with an upgrade
	Env        []string                        // its whole environment
	LockPath   string                          // held while the keeper runs
	Down       func() bool                     // the fleet was told to be down
	ServerGone func(ctx context.Context) bool  // the tmux server is proven gone; a failed probe does not prove it
	Revive     func(ctx context.Context) error // does what `muster up` does; the lock is released before
	Progress   func(pid int) string            // changes as long as a supervisor that is not ready gets on; nil if unknown
	Upgrades   Upgrades                        // how another program becomes the supervisor
	Log        func(string)                    // prints a line for people; may be nil
	Clock      Clock                           // nil is the real one
}

// Clock is the time that a Keeper uses.
type Clock interface {
	Now() time.Time
	// Timer fires once after d; stop frees it.
	Timer(d time.Duration) (fires <-chan time.Time, stop func())
}

// wallClock is the real Clock.
type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) Timer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// keeperEvent is an event that a keeper waits for.
type keeperEvent int

const (
	eventTimer      keeperEvent = iota // the delay is over
	eventChildEnded                    // the supervisor ended
	eventServerGone                    // after a SIGHUP the server was proven gone
	eventCancelled                     // ctx ended
	eventReady                         // the supervisor is ready
	eventUpgrade                       // a request for another program, or a wake-up
	eventBeat                          // the supervisor has looked at the fleet
	eventLook                          // see whether it hangs
)

// Serve runs the supervisor and restarts it whenever it ends, with a growing delay, until the fleet was told to be
// down and the supervisor has ended with status 0. It survives SIGHUP, and the keys of a person who attached (SIGINT,
// SIGQUIT, SIGTSTP). At sigUpgrade it changes to another program, if one is requested, and goes back to the previous
// program if the new one does not get ready. Once the tmux server is proven gone it ends the supervisor, releases the
// lock, calls Revive unless the fleet is down, and returns. If another keeper is alive it returns nil at once. If ctx
// ends, it ends the supervisor and returns ctx's error.
func (k Keeper) Serve(ctx context.Context) error {
	if k.Clock == nil {
		k.Clock = wallClock{}
	}
	// The signals are caught and not ignored, because the supervisor would inherit ignored signals. They are caught
	// before the lock is taken, because its holder gets signals.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP, sigUpgrade)
	defer signal.Stop(signals)
	held, err := lock.Take(k.LockPath)
	if errors.Is(err, lock.ErrHeld) {
		k.say("another keeper is alive")
		return nil
	}
	if err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	defer held.Close() //nolint:errcheck // may already be closed
	switch why, err := k.keep(ctx, signals); {
	case err != nil:
		return err
	case why == eventServerGone && !k.Down():
		k.say("the tmux server is gone")
		_ = held.Close()
		return k.revive(ctx, signals)
	}
	return nil
}

// keep restarts the supervisor until there is a reason to stop, which it returns.
func (k Keeper) keep(ctx context.Context, signals <-chan os.Signal) (keeperEvent, error) {
	s := &upgradeState{program: k.Supervise[0]}
	delay := firstDelay
	for {
		k.takeUp(s)
		began := k.Clock.Now()
		what, err := k.supervise(ctx, signals, s)
		switch {
		case what == eventCancelled:
			return what, ctx.Err()
		case what == eventServerGone:
			return what, nil
		case what == eventUpgrade:
			delay = firstDelay
			continue
		case err == nil && k.Down():
			k.giveUp(ctx, s)
			return eventChildEnded, nil
		case k.ServerGone(ctx):
			return eventServerGone, nil
		case k.fallBack(ctx, s, err):
			delay = firstDelay
			continue
		}
		k.forget(s, err)
		if k.Clock.Now().Sub(began) >= healthyLife {
			delay = firstDelay
		}
		k.say(fmt.Sprintf("the supervisor ended (%s), again in %v", ending(err), delay))
		timer, stop := k.Clock.Timer(delay)
		what = k.await(ctx, signals, watched{timer: timer})
		stop()
		switch what {
		case eventCancelled:
			return what, ctx.Err()
		case eventServerGone:
			return what, nil
		case eventTimer, eventChildEnded, eventReady, eventUpgrade, eventBeat, eventLook:
		}
		delay = min(2*delay, longestDelay)
	}
}

// supervise runs the supervisor once. The error says how it ended.
func (k Keeper) supervise(ctx context.Context, signals <-chan os.Signal, s *upgradeState) (keeperEvent, error) {
	if ctx.Err() != nil {
		return eventCancelled, nil
	}
	argv := append([]string{s.program}, k.Supervise[1:]...)
	// The context is not ctx, which would kill the supervisor at once. The supervisor is ended by SIGTERM.
	child, err := run.Start(context.WithoutCancel(ctx), run.Spec{Argv: argv, Env: k.env(s), Word: true})
	if err != nil {
		return eventChildEnded, err
	}
	w := watched{done: child.Done(), word: child.Word()}
	if s.trial != nil {
		timer, stop := k.Clock.Timer(trialLimit)
		defer stop()
		w.timer = timer
	}
	pulse := k.newPulse(child.PID())
	defer func() { pulse.stop() }()
	for {
		w.look = pulse.next
		switch what := k.await(ctx, signals, w); what {
		case eventBeat:
			pulse.beat()
		case eventLook:
			if pulse.hangs() {
				k.endHung(child)
				return eventChildEnded, errHung
			}
		case eventReady, eventUpgrade:
			if what == eventReady {
				pulse.ready, pulse.same, w.timer = true, 0, nil
				k.ready(s)
			}
			if _, ok := k.asked(s); !ok {
				continue
			}
			s.since = k.Clock.Now()
			k.stop(child, syscall.SIGTERM, relieveLimit)
			return eventUpgrade, nil
		case eventChildEnded:
			return what, child.Err()
		case eventTimer:
			child.Close() // its limit is over
			return what, errLate
		case eventCancelled, eventServerGone:
			k.stop(child, syscall.SIGTERM, stopLimit)
			return what, nil
		}
	}
}

// stop ends the supervisor by a signal, and after the limit by SIGKILL, which is always safe.
func (k Keeper) stop(child *run.Child, first syscall.Signal, limit time.Duration) {
	_ = child.Signal(first)
	timer, stop := k.Clock.Timer(limit)
	defer stop()
	select {
	case <-child.Done():
	case <-timer:
	}
	child.Close()
}

// watched holds the channels that a keeper waits for besides its signals; nil channels never fire.
type watched struct {
	done  <-chan struct{}  // the supervisor ended
	word  <-chan string    // it is ready, or has looked at the fleet
	look  <-chan time.Time // see whether it hangs
	timer <-chan time.Time // a delay, or a limit, is over
}

// await waits for the first keeperEvent. After a SIGHUP it probes the server until that is proven gone, or until it has lived
// long enough to show that only this terminal was closed.
func (k Keeper) await(ctx context.Context, signals <-chan os.Signal, w watched) keeperEvent {
	var probe <-chan time.Time
	stopProbe := func() {}
	defer func() { stopProbe() }()
	step := firstProbe
	for {
		select {
		case <-ctx.Done():
			return eventCancelled
		case line, said := <-w.word:
			if said {
				return meaning(line)
			}
			w.word = nil // it ended, or will never report
			continue
		case <-w.look:
			return eventLook
		case <-w.done:
			select {
			case line, said := <-w.word: // its message comes first
				if said {
					return meaning(line)
				}
			default:
			}
			return eventChildEnded
		case <-w.timer:
			return eventTimer
		case s := <-signals:
			if s == sigUpgrade {
				return eventUpgrade
			}
			if s != syscall.SIGHUP {
				continue
			}
			step = firstProbe
		case <-probe:
			step *= 2
		}
		stopProbe()
		probe = nil
		if k.ServerGone(ctx) {
			return eventServerGone
		}
		if step < lastProbe {
			probe, stopProbe = k.Clock.Timer(step)
		}
	}
}

// meaning returns what a supervisor's line says.
func meaning(line string) keeperEvent {
	if line == sayBeat {
		return eventBeat
	}
	return eventReady
}

// revive brings the fleet back after the death of its server. It tries several times, because the cause of the death
// may persist.
func (k Keeper) revive(ctx context.Context, signals <-chan os.Signal) error {
	for try, delay := 1, reviveDelay; ; try, delay = try+1, min(2*delay, longestDelay) {
		err := k.Revive(ctx)
		if err == nil {
			return nil
		}
		if try == reviveTries || ctx.Err() != nil {
			return fmt.Errorf("bring the fleet back: %w", err)
		}
		k.say(fmt.Sprintf("the fleet could not be brought back (%v), again in %v", err, delay))
		timer, stop := k.Clock.Timer(delay)
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				waiting = false
			case <-timer:
				waiting = false
			case <-signals:
			}
		}
		stop()
		if k.Down() {
			return nil
		}
	}
}

func (k Keeper) say(line string) {
	if k.Log != nil {
		k.Log(line)
	}
}

// ending returns a description of how a supervisor ended.
func ending(err error) string {
	if err == nil {
		return text.Exit(0, 0)
	}
	return err.Error()
}
