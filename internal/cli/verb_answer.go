package cli

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
)

const answerHelp = `Answer what a task asks; ` + "`muster show ID`" + ` shows what that is. A permission is allowed or denied, a
question is answered by the number of one of its options or by a text. A task that was parked with
its request comes back by the answer.

  muster answer t3 allow
  muster answer t3 deny --reason "use the staging database"
  muster answer t3 2
  muster answer t3 "rename it to account_id"`

func newAnswerCommand(env Env) *cobra.Command {
	var reason string
	c := verb(&cobra.Command{
		Use: "answer ID allow|deny|TEXT", Short: "Answer what a task asks", Long: answerHelp, Args: cobra.MinimumNArgs(2),
	}, groupTalk)
	c.Flags().StringVar(&reason, "reason", "", "with deny: `TEXT` says why, so that the agent can go on another way")
	result[requested]{
		get: func(ctx context.Context, args []string) (requested, error) {
			id, err := taskID(args[0])
			if err != nil {
				return requested{}, err
			}
			a, err := readAnswer(ctx, env, id, strings.Join(args[1:], " "), reason)
			if err != nil {
				return requested{}, err
			}
			return askSupervisor(ctx, env, "answer", id, a)
		},
	}.addTo(env, c)
	return c
}

// readAnswer reads a person's words by what the task asks: "allow" and "deny" are words of a permission, a number
// is an option of a question.
func readAnswer(ctx context.Context, env Env, id event.TaskID, text, reason string) (control.Answer, error) {
	a := control.Answer{Task: id}
	t, err := findTask(ctx, env, string(id))
	if err != nil {
		return a, err
	}
	if t.Request == nil {
		return a, fault.New(fault.Conflict, "%s is %s and asks nothing", id, t.State).
			WithHint("To tell it something: muster send %s TEXT", id)
	}
	a.Request = t.Request.Request
	question := t.Request.Reason == event.WaitQuestion
	switch word := strings.ToLower(text); {
	case !question && (word == "allow" || word == "yes"):
		a.Decision = event.Allow
	case !question && (word == "deny" || word == "no"):
		a.Decision, a.Text = event.Deny, reason
	case !question:
		return a, fault.New(fault.Usage, "%s asks for a permission, and %q does not answer that", id, clean(text, 40)).
			WithHint("Answer allow or deny; --reason goes with deny.")
	default:
		a.Decision, a.Text = event.Reply, text
		if n, nerr := strconv.Atoi(text); nerr == nil && len(t.Request.Options) > 0 {
			a.Text, err = option(id, t.Request.Options, n)
		}
	}
	if reason != "" && a.Decision != event.Deny {
		return a, fault.New(fault.Usage, "--reason goes with deny").WithHint("Leave it out.")
	}
	return a, err
}

func option(id event.TaskID, options []string, n int) (string, error) {
	if n < 1 || n > len(options) {
		return "", fault.New(fault.Usage, "the question of %s has no option %d", id, n).WithHint("It has 1 to %d; `muster show %s` lists them.", len(options), id)
	}
	return options[n-1], nil
}
