package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/intake"
)

const gcHelp = `Remove what tasks left that ended long ago, as ` + "`muster rm`" + ` does: worktrees, sessions, files. Their
branches, kept work and events stay. It loses no work: a task with work that exists nowhere else is
left and named. Tasks that are parked are never touched.

  muster gc
  muster gc --older-than 2d --dry-run`

// oldEnough is how long ago tasks ended whose rest is removed by default.
const oldEnough = 14 * 24 * time.Hour

// collected is the output of `gc --json`.
type collected struct {
	Removed []event.TaskID `json:"removed"` // with --dry-run: that would be removed
	Queued  []event.TaskID `json:"queued"`  // that the next up removes, because the fleet is down
	Left    []leftTask     `json:"left"`
}

// leftTask is a task whose rest was not removed.
type leftTask struct {
	Task event.TaskID `json:"task"`
	Why  string       `json:"why"`
	Hint string       `json:"hint"`
}

func newGcCommand(env Env) *cobra.Command {
	var older string
	var dry bool
	c := verb(&cobra.Command{
		Use: "gc", Short: "Remove what tasks left that ended long ago", Long: gcHelp, Args: cobra.NoArgs,
	}, groupEnd)
	c.Flags().StringVar(&older, "older-than", "", "tasks that ended more than `TIME` ago, such as 12h or 2d (default: 14d)")
	c.Flags().BoolVar(&dry, "dry-run", false, "say what would be removed, and remove nothing")
	result[collected]{
		get: func(ctx context.Context, _ []string) (all collected, err error) {
			age := oldEnough
			if err := intake.ParseDuration("older-than", older, &age); err != nil {
				return all, err
			}
			err = withControl(env, func(c *control.Control) error {
				all, err = collect(ctx, env, c, env.Now().Add(-age), dry)
				return err
			})
			return all, err
		},
		show: func(all collected) error { return printCollected(env, all, dry) },
	}.addTo(env, c)
	return c
}

// collect removes the rest of the tasks that ended before a time. The error of one task does not stop the others.
func collect(ctx context.Context, env Env, c *control.Control, before time.Time, dry bool) (collected, error) {
	all := collected{Removed: []event.TaskID{}, Queued: []event.TaskID{}, Left: []leftTask{}}
	ended, err := control.Get(ctx, c, control.Ended{Before: before})
	if err != nil {
		return all, err
	}
	var failure error
	for i, id := range ended {
		env.progress.reach(i+1, len(ended))
		queued, err := collectOne(ctx, c, id, dry)
		switch {
		case ctx.Err() != nil:
			return all, ctx.Err()
		case err != nil:
			all.Left = append(all.Left, leftTask{Task: id, Why: err.Error(), Hint: fault.HintOf(err)})
			if failure == nil && !fault.Is(err, fault.Conflict) { // to keep work is no failure
				failure = partial{quiet(fault.CodeOf(err))}
			}
		case queued:
			all.Queued = append(all.Queued, id)
		default:
			all.Removed = append(all.Removed, id)
		}
	}
	return all, failure
}

func collectOne(ctx context.Context, c *control.Control, id event.TaskID, dry bool) (queued bool, err error) {
	cmd := control.Remove{Task: id}
	if dry {
		return false, cmd.Check(ctx, c)
	}
	out, err := c.Do(ctx, cmd)
	if err == nil && !out.Down {
		_, err = c.Await(ctx, out)
	}
	return out.Down, err
}

func printCollected(env Env, all collected, dry bool) error {
	how := "is removed."
	if dry {
		how = "would be removed."
	}
	for _, id := range all.Removed {
		if err := env.say(fmt.Sprintf("%s %s", id, how)); err != nil {
			return err
		}
	}
	if n := len(all.Queued); n > 0 {
		if err := env.say(fmt.Sprintf("The fleet is down: the next `muster up` removes %d.", n)); err != nil {
			return err
		}
	}
	for _, l := range all.Left {
		if err := env.say(clean(fmt.Sprintf("%s is left: %s", l.Task, l.Why), 400)); err != nil {
			return err
		}
	}
	if len(all.Removed)+len(all.Queued)+len(all.Left) == 0 {
		return env.say("Nothing to remove.")
	}
	return nil
}
