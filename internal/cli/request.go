package cli

import (
	"context"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
)

// requested is the JSON of all verbs that send the supervisor a request of a person.
type requested = control.Requested

// taskID parses the id of a task for a verb that changes something. Only an exact id is accepted.
func taskID(word string) (event.TaskID, error) {
	if !event.IsTaskID(word) {
		return "", fault.New(fault.Usage, "%q is not the id of a task", word).
			WithHint("Give an id such as t12; `muster ls` shows them. Only verbs that read accept names.")
	}
	return event.TaskID(word), nil
}

// newRequestCommand returns a verb that sends the supervisor one request for each named task.
func newRequestCommand(env Env, c *cobra.Command, group string, command func(event.TaskID) control.Command) *cobra.Command {
	c.Args = cobra.MinimumNArgs(1)
	result[[]requested]{
		get: func(ctx context.Context, args []string) ([]requested, error) {
			return each(env, args, func(id event.TaskID) (requested, error) {
				return askSupervisor(ctx, env, c.Name(), command(id))
			})
		},
	}.addTo(env, c)
	return verb(c, group)
}

// each calls a function for each of several tasks. The error of one task is printed and does not stop the others. The
// exit code is that of the first error.
func each[R any](env Env, words []string, do func(event.TaskID) (R, error)) ([]R, error) {
	all := []R{}
	var failure error
	for i, w := range words {
		env.progress.reach(i+1, len(words))
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
func askSupervisor(ctx context.Context, env Env, name string, cmd control.Command) (requested, error) {
	out, _, err := do(ctx, env, cmd)
	return out.Requested(name), err
}
