package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"muster/internal/control"
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
			return askSupervisor(ctx, env, "answer", control.Answer{Task: id, Words: strings.Join(args[1:], " "), Text: reason})
		},
	}.addTo(env, c)
	return c
}
