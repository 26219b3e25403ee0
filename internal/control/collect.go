package control

import (
	"context"
	"fmt"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
)

// Collect removes what tasks left that ended before a time, as Remove does without Force. Do returns when everything is
// removed. What would lose work, or cannot be removed, is in Outcome.Collected and is no error.
type Collect struct {
	Before time.Time
	Dry    bool // only find out what would be removed
}

// Collected is the outcome of Collect.
type Collected struct {
	Removed []event.TaskID
	Queued  []event.TaskID // the next Up removes them, because the fleet is down
	Left    []Leftover
}

// Leftover is a task of which something is left. The code of its error is fault.Conflict if its work would be lost.
type Leftover struct {
	Task event.TaskID
	Err  error
}

func (c Collect) do(ctx context.Context, of *Control) (Outcome, error) {
	db, err := of.open(ctx)
	if err != nil {
		return Outcome{}, err
	}
	ended, err := db.EndedBefore(ctx, c.Before)
	if err != nil {
		return Outcome{}, err
	}
	var out Outcome
	for i, id := range ended {
		down, err := c.one(ctx, of, id, fmt.Sprintf("%d of %d: ", i+1, len(ended)))
		switch {
		case ctx.Err() != nil:
			return out, ctx.Err()
		case err != nil:
			out.Collected.Left = append(out.Collected.Left, Leftover{Task: id, Err: err})
		case down:
			out.Collected.Queued = append(out.Collected.Queued, id)
		default:
			out.Collected.Removed = append(out.Collected.Removed, id)
		}
	}
	return out, nil
}

// one collects one task. down means that it is removed by the next Up.
func (c Collect) one(ctx context.Context, of *Control, id event.TaskID, part string) (down bool, err error) {
	of.caller.Tell("%sremoving %s", part, id)
	if err := of.losesNothing(ctx, id); err != nil || c.Dry {
		return false, err
	}
	out, err := of.ask(ctx, Remove{Task: id}.request)
	if fault.Is(err, fault.NotFound) { // somebody else has removed it
		return false, nil
	}
	if err == nil && !out.Down {
		_, err = of.Await(ctx, out)
	}
	return out.Down, err
}
