package control

import (
	"context"
	"fmt"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
)

const (
	// takenUpLimit is how long the supervisor may take to act on a request for a parked task.
	takenUpLimit = 10 * time.Second
	// effectLimit is the same for a request that needs an action in the world.
	effectLimit = 30 * time.Second
)

// effect describes what a request leads to. The zero value is a request whose effect comes some time later, such as
// at the agent's next turn.
type effect struct {
	what   string                 // the request, as a verb
	limit  time.Duration          // how long it may take
	action event.ActionKind       // a failure of this action is a failure of the request; "" for none
	seen   func(event.Event) bool // reports whether an event shows the effect
	late   func(id event.TaskID) string
}

// takenUp is the effect of a request on a parked task, which moves. For other tasks there is nothing to wait for.
func takenUp(what string, t life.Task) effect {
	if t.State != event.Parked {
		return effect{}
	}
	return effect{
		what: what, limit: takenUpLimit,
		seen: func(e event.Event) bool {
			_, moved := e.Data.(event.TaskMoved)
			return moved
		},
		late: func(event.TaskID) string { return "`muster status` tells whether the supervisor is well." },
	}
}

// effectOf is the effect of a request that the supervisor carries out by an action.
func effectOf(action event.ActionKind, seen func(event.Event) bool) effect {
	return effect{
		what: string(action), limit: effectLimit, action: action, seen: seen,
		late: func(id event.TaskID) string {
			return fmt.Sprintf("`muster events --task %s -f` shows when it is done.", id)
		},
	}
}

// Await waits for the effect of an outcome's request and returns the task as it is then. It returns at once if there
// is nothing to wait for or if the fleet was told to be down. fault.Timeout means that the supervisor has not
// processed the request yet; it may still do so.
func (c *Control) Await(ctx context.Context, out Outcome) (life.Task, error) {
	if out.effect.seen != nil && !out.Down {
		if err := c.await(ctx, out); err != nil {
			return life.Task{}, err
		}
	}
	return Get(ctx, c, One{Ref: string(out.Task)})
}

// await waits for an effect. An action that has begun may take longer than the limit: keeping and removing a large
// worktree has the time of its task.
func (c *Control) await(ctx context.Context, out Outcome) error {
	a := awaiting{out: out, from: out.Seq}
	for {
		over, err := c.awaitFor(ctx, &a, out.effect.limit)
		switch {
		case over || err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case a.lacks != "":
			return fault.New(fault.Timeout, "%s %s is put off: %s", out.effect.what, out.Task, a.lacks).
				WithHint("It is tried again by itself. %s", out.effect.late(out.Task))
		case !a.begun:
			return fault.Wrap(fault.Timeout, context.DeadlineExceeded, "%s %s is queued, but the supervisor has not processed it yet", out.effect.what, out.Task).
				WithHint("%s", out.effect.late(out.Task))
		case !c.supervised():
			return fault.New(fault.Timeout, "%s %s has begun, but no supervisor runs that could end it", out.effect.what, out.Task).
				WithHint("Start one with `muster up`; it goes on where the last one was.")
		}
	}
}

// awaiting is how far the effect of a request is.
type awaiting struct {
	out   Outcome
	from  int64
	begun bool   // the action is under way
	lacks string // why the action was put off
}

// awaitFor waits at most for a time. over means that the effect has come.
func (c *Control) awaitFor(ctx context.Context, a *awaiting, limit time.Duration) (over bool, err error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	of := a.out.effect
	c.caller.Tell("waiting for the supervisor to %s %s", of.what, a.out.Task)
	for e, err := range c.Watch(limited, a.from, a.out.Task) {
		if err != nil {
			return false, err
		}
		a.from = e.Seq
		switch p := e.Data.(type) {
		case event.ActionIntended:
			if of.action != "" && p.Action.Kind() == of.action {
				a.begun, a.lacks = true, ""
			}
		case event.ActionPutOff:
			if p.What == of.action {
				a.lacks = p.Why
			}
		case event.ActionFinished:
			if p.What == of.action && p.Error != "" {
				return false, fault.New(fault.Failed, "%s %s: %s", of.what, a.out.Task, p.Error)
			}
		}
		if of.seen(e) {
			return true, nil
		}
	}
	return false, nil
}

// supervised reports whether a supervisor runs.
func (c *Control) supervised() bool {
	f, err := c.fleet()
	if err != nil {
		return false
	}
	held, err := f.Supervised()
	return err == nil && held
}
