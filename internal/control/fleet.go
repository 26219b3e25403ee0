package control

import (
	"context"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/store"
	"muster/internal/words"
)

// Down takes the fleet down. Do returns when the fleet is down.
type Down struct {
	Mode  event.DownMode // "" leaves agents as they are
	Limit time.Duration  // how long it may take; 0 is a minute, or no limit with event.DownDrain
}

// downLimit is how long a fleet may take to go down if it does not wait for tasks.
const downLimit = time.Minute

func (c Down) do(ctx context.Context, of *Control) (Outcome, error) {
	switch c.Mode {
	case "":
		c.Mode = event.DownLeave
	case event.DownLeave, event.DownDrain, event.DownKill:
	default:
		return Outcome{}, fault.New(fault.Usage, "unknown mode %q", c.Mode).WithHint("Choose leave, drain or kill.")
	}
	f, err := of.fleet()
	if err != nil {
		return Outcome{}, err
	}
	if c.Limit == 0 && c.Mode != event.DownDrain {
		c.Limit = downLimit
	}
	limited := ctx
	if c.Limit > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, c.Limit)
		defer cancel()
	}
	if err := f.Down(limited, c.Mode, of.tellWaits(c.Mode)); err != nil {
		return Outcome{}, err
	}
	seq, err := of.newest(ctx)
	return Outcome{Seq: seq, Down: true}, err
}

// tellWaits returns a function that says what a fleet that goes down waits for.
func (c *Control) tellWaits(mode event.DownMode) func([]store.Summary) {
	return func(left []store.Summary) {
		states := make([]words.TaskState, len(left))
		for i, t := range left {
			states[i] = words.TaskState{ID: t.ID, State: t.State}
		}
		switch {
		case len(left) == 0:
			c.caller.Tell("waiting for the supervisor to end")
		case mode == event.DownKill:
			c.caller.Tell("ending %s", words.Tasks(states))
		default:
			c.caller.Tell("waiting for %s", words.Tasks(states))
		}
	}
}

// Up brings the fleet up: tmux server, keeper and supervisor. A running fleet takes over the caller's environment.
type Up struct{}

func (Up) do(ctx context.Context, of *Control) (Outcome, error) {
	f, err := of.fleet()
	if err != nil {
		return Outcome{}, err
	}
	started, err := f.Up(ctx)
	if err != nil {
		return Outcome{}, err
	}
	seq, err := of.newest(ctx)
	return Outcome{Up: started, Seq: seq}, err
}

// newest returns the sequence number of the newest event.
func (c *Control) newest(ctx context.Context) (int64, error) {
	db, err := c.open(ctx)
	if err != nil {
		return 0, err
	}
	return db.LastSeq(ctx)
}

// Upgrade replaces the program that runs the fleet. Do returns when the outcome is known.
type Upgrade struct {
	Program string // the absolute path of the new program
}

func (c Upgrade) do(ctx context.Context, of *Control) (Outcome, error) {
	f, err := of.fleet()
	if err != nil {
		return Outcome{}, err
	}
	u, err := f.Upgrade(ctx, c.Program)
	if err == nil && !u.RolledBack {
		f.Sweep(ctx)
	}
	return Outcome{Upgrade: u}, err
}
