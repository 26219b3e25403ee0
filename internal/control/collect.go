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
	// Freed is the room that the tasks of Removed took, by task, in bytes. What was not counted in time is missing.
	Freed map[event.TaskID]int64
}

// countLimit bounds the time in which the room that one task takes is counted.
const countLimit = 10 * time.Second

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
	out := Outcome{Collected: Collected{Freed: map[event.TaskID]int64{}}}
	for i, id := range ended {
		took, _ := Disk{Task: id, Limit: countLimit}.get(ctx, of, db)
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
			if !took.Partial {
				out.Collected.Freed[id] = took.Total()
			}
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
