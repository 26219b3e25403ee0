package cli

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/fault"
)

const sendHelp = `Send a message to the agent of a task. It gets the text as soon as it can take it. A message starts a
parked task again. - reads the text from standard input.

  muster send t3 "use the helper in internal/auth, do not write another"
  muster send t3 - < review.md`

// maxSendRead is more than control accepts, so that a long text is refused and never cut.
const maxSendRead = 1 << 20

func newSendCommand(env Env) *cobra.Command {
	c := verb(&cobra.Command{
		Use: "send ID TEXT|-", Short: "Send a message to the agent of a task", Long: sendHelp, Args: cobra.MinimumNArgs(2),
	}, groupTalk)
	result[requested]{
		get: func(ctx context.Context, args []string) (requested, error) {
			id, err := taskID(args[0])
			if err != nil {
				return requested{}, err
			}
			text := strings.Join(args[1:], " ")
			if text == "-" {
				data, err := io.ReadAll(io.LimitReader(env.Stdin, maxSendRead))
				if err != nil {
					return requested{}, fault.Wrap(fault.Failed, err, "read the text from standard input")
				}
				text = string(data)
			}
			return askSupervisor(ctx, env, "send", control.Send{Task: id, Text: text})
		},
		show: func(r requested) error { return env.say(string(r.Message)) },
	}.addTo(env, c)
	return c
}
