package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
)

// takenUp is how long a verb waits until the supervisor has processed its request, so that a `muster wait` after it does
// not see the old state.
const takenUp = 10 * time.Second

// requested is what a verb asked for on behalf of a person: the JSON of all verbs that ask the supervisor for
// something.
type requested struct {
	Task      event.TaskID    `json:"task"`
	Requested string          `json:"requested"` // the verb
	Message   event.MessageID `json:"message,omitempty"`
	Seq       int64           `json:"seq"` // `muster events --after SEQ` shows what comes of it
}

// taskID reads an argument of a verb that changes something. Only an exact id is accepted.
func taskID(word string) (event.TaskID, error) {
	if !event.IsTaskID(word) {
		return "", fault.New(fault.Usage, "%q is not the id of a task", word).
			WithHint("Give an id such as t12; `muster ls` shows them. Names do for verbs that only read.")
	}
	return event.TaskID(word), nil
}

// newRequestCommand is a verb that asks the supervisor for one thing on each task that is named.
func newRequestCommand(env Env, c *cobra.Command, group string, command func(event.TaskID) control.Command) *cobra.Command {
	c.Args = cobra.MinimumNArgs(1)
	result[[]requested]{
		get: func(ctx context.Context, args []string) ([]requested, error) {
			return each(env, args, func(id event.TaskID) (requested, error) {
				return askSupervisor(ctx, env, c.Name(), id, command(id))
			})
		},
	}.addTo(env, c)
	return verb(c, group)
}

// each does something for each of several tasks: an error of one is printed and does not stop the others. The exit
// code is that of the first one.
func each[R any](env Env, words []string, do func(event.TaskID) (R, error)) ([]R, error) {
	all := []R{}
	var failure error
	for _, w := range words {
		id, err := taskID(w)
		if err == nil {
			var r R
			if r, err = do(id); err == nil {
				all = append(all, r)
				continue
			}
		}
		if len(words) == 1 {
			return nil, err
		}
		printError(env, err)
		if failure == nil {
			failure = partial{quiet(fault.CodeOf(err))}
		}
	}
	return all, failure
}

// askSupervisor carries out a command on one task and waits until the supervisor has processed it.
func askSupervisor(ctx context.Context, env Env, name string, id event.TaskID, cmd control.Command) (requested, error) {
	t, err := findTask(ctx, env, string(id))
	if err != nil {
		return requested{}, err
	}
	out, err := request(ctx, env, cmd)
	r := requested{Task: id, Requested: name, Message: out.Message, Seq: out.Seq}
	if err != nil || t.State != event.Parked || env.down() {
		return r, err
	}
	ctx, cancel := context.WithTimeout(ctx, takenUp)
	defer cancel()
	err = watchFor(ctx, env, out.Seq, id, func(e event.Event) bool {
		_, moved := e.Data.(event.TaskMoved)
		return moved
	})
	if fault.Is(err, fault.Timeout) {
		err = fault.Wrap(fault.Timeout, err, "%s is queued, but the supervisor has not processed it yet", name).
			WithHint("`muster status` shows whether the supervisor makes progress.")
	}
	return r, err
}

// down reports whether the fleet was told to be down. Requests then wait for the next `up`.
func (e Env) down() bool {
	h, _, err := e.home()
	if err != nil {
		return false
	}
	_, err = os.Stat(h.Down())
	return err == nil
}

// watchFor follows the log of a task after an event until one is enough.
func watchFor(ctx context.Context, env Env, from int64, id event.TaskID, enough func(event.Event) bool) error {
	return withControl(ctx, env, func(c *control.Control) error {
		for e, err := range c.Watch(ctx, from, id) {
			if err != nil {
				return err
			}
			if enough(e) {
				return nil
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("the log of %s ended", id)
	})
}

// findTask looks a task up by what a person wrote.
func findTask(ctx context.Context, env Env, ref string) (life.Task, error) {
	return get(ctx, env, control.One{Ref: ref})
}
