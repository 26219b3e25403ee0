package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/fault"
)

const sendHelp = `Tell the agent of a task something. It gets the text as soon as its kind of agent can take it, and a
parked task comes back by it. - reads the text from standard input.

  muster send t3 "use the helper in internal/auth, do not write another"
  muster send t3 - < review.md`

// maxSendRead is more than control takes, so that what is too long is refused and never cut.
const maxSendRead = 1 << 20

func newSendCommand(env Env) *cobra.Command {
	var asJSON bool
	c := verb(&cobra.Command{
		Use: "send ID TEXT|-", Short: "Tell the agent of a task something", Long: sendHelp, Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := taskID(args[0])
			if err != nil {
				return err
			}
			text := strings.Join(args[1:], " ")
			if text == "-" {
				data, err := io.ReadAll(io.LimitReader(env.Stdin, maxSendRead))
				if err != nil {
					return fault.Wrap(fault.Failed, err, "read the text from standard input")
				}
				text = string(data)
			}
			r, err := askSupervisor(cmd.Context(), env, "send", id, control.Send{Task: id, Text: text})
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(env.Stdout, r)
			}
			return env.say(string(r.Message))
		},
	}, groupTalk)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
