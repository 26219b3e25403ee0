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

func (c *Control) await(ctx context.Context, out Outcome) error {
	limited, cancel := context.WithTimeout(ctx, out.effect.limit)
	defer cancel()
	for e, err := range c.Watch(limited, out.Seq, out.Task) {
		if err != nil {
			return err
		}
		if f, ok := e.Data.(event.ActionFinished); ok && f.What == out.effect.action && f.Error != "" {
			return fault.New(fault.Failed, "%s %s: %s", out.effect.what, out.Task, f.Error)
		}
		if out.effect.seen(e) {
			return nil
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fault.Wrap(fault.Timeout, limited.Err(), "%s %s is queued, but the supervisor has not processed it yet", out.effect.what, out.Task).
		WithHint("%s", out.effect.late(out.Task))
}
