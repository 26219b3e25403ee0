package keeper

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"muster/internal/run"
)

// A supervisor that hangs is replaced: it can be killed at any time, and without one the fleet is unattended. It
// reports each look at the whole fleet, at least once a minute, to its keeper; before it is ready, Keeper.Progress says
// whether it gets on. Looks are counted, because a clock may jump.
const (
	lookPause   = 10 * time.Second
	looksUnborn = 12 // 2 minutes without progress, for one that is not ready
	looksReady  = 60 // 10 minutes without a look at the fleet
	dumpLimit   = 2 * time.Second
)

// errHung is how a supervisor ended that hung.
var errHung = errors.New("it made no progress and was ended")

// Lines that a supervisor writes to its keeper.
const (
	sayReady = "ready"
	sayBeat  = "beat"
)

// Voice is a supervisor's connection to its keeper. The zero value has none.
type Voice struct{ pipe *os.File }

// Ready tells the keeper that the supervisor is ready.
func (v Voice) Ready() { v.say(sayReady) }

// Beat tells the keeper that the supervisor has looked at the whole fleet. A keeper that has heard it once replaces the
// supervisor when it does not hear it for ten minutes.
func (v Voice) Beat() { v.say(sayBeat) }

func (v Voice) say(line string) {
	if v.pipe != nil {
		_, _ = v.pipe.WriteString(line + "\n") // a keeper of an earlier version listens to the first line only
	}
}

// pulse watches whether a supervisor gets on.
type pulse struct {
	k     Keeper
	pid   int
	ready bool
	beats bool // it reports its looks
	seen  string
	same  int
	next  <-chan time.Time
	stop  func()
}

func (k Keeper) newPulse(pid int) *pulse {
	p := &pulse{k: k, pid: pid, stop: func() {}}
	p.wait()
	return p
}

func (p *pulse) wait() { p.next, p.stop = p.k.Clock.Timer(lookPause) }

// beat notes that the supervisor has reported.
func (p *pulse) beat() { p.beats, p.same = true, 0 }

// hangs reports whether the supervisor must be replaced. It is called each time that next fires.
func (p *pulse) hangs() bool {
	p.wait()
	p.same++
	if p.ready {
		return p.beats && p.same > looksReady
	}
	if p.k.Progress == nil {
		return false
	}
	if now := p.k.Progress(p.pid); now != p.seen {
		p.seen, p.same = now, 0
	}
	return p.same > looksUnborn
}

// endHung ends a supervisor that hangs. On the first signal it writes what each of its goroutines does.
func (k Keeper) endHung(child *run.Child) {
	k.say(fmt.Sprintf("the supervisor (process %d) makes no progress and is replaced", child.PID()))
	k.stop(child, syscall.SIGQUIT, dumpLimit)
}
