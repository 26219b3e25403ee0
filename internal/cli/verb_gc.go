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
	"muster/internal/words"
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
	// Freed is the room in bytes that each of removed took, as far as it was counted.
	Freed map[event.TaskID]int64 `json:"freed"`
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
		get: func(ctx context.Context, _ []string) (collected, error) {
			age := oldEnough
			if err := intake.ParseDuration("older-than", older, &age); err != nil {
				return collected{}, err
			}
			out, _, err := do(ctx, env, control.Collect{Before: env.Now().Add(-age), Dry: dry})
			if err != nil {
				return collected{}, err
			}
			return collectedOf(out.Collected)
		},
		show: func(all collected) error { return printCollected(env, all, dry) },
	}.addTo(env, c)
	return c
}

// collectedOf returns the result of gc, and an error if something could not be removed. To leave work that exists
// nowhere else is none.
func collectedOf(c control.Collected) (collected, error) {
	all := collected{Removed: control.OrEmpty(c.Removed), Queued: control.OrEmpty(c.Queued), Left: []leftTask{}, Freed: c.Freed}
	var failure error
	for _, l := range c.Left {
		all.Left = append(all.Left, leftTask{Task: l.Task, Why: l.Err.Error(), Hint: fault.HintOf(l.Err)})
		if failure == nil && !fault.Is(l.Err, fault.Conflict) {
			failure = partial{quiet(fault.CodeOf(l.Err))}
		}
	}
	return all, failure
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
	if text := freedText(all); text != "" {
		if err := env.say(text); err != nil {
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

// freedText says how much room removed tasks took, and which of them took most; "" if nothing is known.
func freedText(all collected) string {
	var sum int64
	var most event.TaskID
	for _, id := range all.Removed {
		sum += all.Freed[id]
		if all.Freed[id] > all.Freed[most] {
			most = id
		}
	}
	switch {
	case sum == 0:
		return ""
	case len(all.Removed) == 1:
		return "It takes " + words.Bytes(sum) + "."
	}
	return fmt.Sprintf("They take %s, most of it %s: %s.", words.Bytes(sum), most, words.Bytes(all.Freed[most]))
}
