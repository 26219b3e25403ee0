package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
)

// takenUp is how long a verb waits for the supervisor to have taken its request up, so that a `muster wait` behind it
// does not see the state before.
const takenUp = 10 * time.Second

// requested is what a verb asked for on behalf of a person: the JSON of all verbs that ask the supervisor for
// something.
type requested struct {
	Task      event.TaskID    `json:"task"`
	Requested string          `json:"requested"` // the verb
	Message   event.MessageID `json:"message,omitempty"`
	Seq       int64           `json:"seq"` // `muster events --after SEQ` shows what comes of it
}

// taskID takes an argument of a verb that changes something: only an exact id will do.
func taskID(word string) (event.TaskID, error) {
	if !event.IsTaskID(word) {
		return "", fault.New(fault.Usage, "%q is not the id of a task", word).
			WithHint("Give an id such as t12; `muster ls` shows them. Names do for verbs that only read.")
	}
	return event.TaskID(word), nil
}

// newRequestCommand is a verb that asks the supervisor for one thing on each task that is named.
func newRequestCommand(env Env, c *cobra.Command, group string, command func(event.TaskID) control.Command) *cobra.Command {
	var asJSON bool
	c.Args = cobra.MinimumNArgs(1)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return askAll(cmd.Context(), env, cmd.Name(), args, asJSON, command)
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return verb(c, group)
}

// askSupervisor carries out a command on one task and waits until the supervisor has taken it up.
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
		err = fault.Wrap(fault.Timeout, err, "%s is asked for, but nobody has taken it up yet", name).
			WithHint("`muster status` tells whether the supervisor is well.")
	}
	return r, err
}

// askAll does the same for many tasks: what fails for one is said and does not stop the others. The exit code is
// that of the first failure.
func askAll(ctx context.Context, env Env, name string, words []string, asJSON bool, command func(event.TaskID) control.Command) error {
	var all []requested
	var failure error
	for _, w := range words {
		r, err := askOne(ctx, env, name, w, command)
		if err != nil {
			if len(words) == 1 {
				return err
			}
			printError(env, err)
			if failure == nil {
				failure = quiet(fault.CodeOf(err))
			}
			continue
		}
		all = append(all, r)
	}
	if asJSON {
		if all == nil {
			all = []requested{}
		}
		return errors.Join(printJSON(env.Stdout, all), failure)
	}
	return failure
}

func askOne(ctx context.Context, env Env, name, word string, command func(event.TaskID) control.Command) (requested, error) {
	id, err := taskID(word)
	if err != nil {
		return requested{}, err
	}
	return askSupervisor(ctx, env, name, id, command(id))
}

// down tells whether the fleet was told to be down: then nothing that is asked for happens until `up`.
func (e Env) down() bool {
	h, _, err := e.home()
	if err != nil {
		return false
	}
	_, err = os.Stat(h.Down())
	return err == nil
}

// watchFor follows a task from an event on until one comes that will do.
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
func findTask(ctx context.Context, env Env, ref string) (t life.Task, err error) {
	err = withControl(ctx, env, func(c *control.Control) error {
		t, err = control.Get(ctx, c, control.One{Ref: ref})
		return err
	})
	return t, err
}
