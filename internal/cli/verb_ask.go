package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"muster/internal/inside"
	"muster/internal/intake"
	"muster/internal/mail"
)

const askHelp = `Ask a person, and print the answer when it arrives. Without an answer in time the exit code is 5;
with the built-in limit (MUSTER_WAIT seconds) the task is then parked until a person answers.

  muster ask "May I drop the column users.legacy?"
  muster ask --option rename --option drop "What becomes of users.legacy?"`

func newAskCommand(env Env) *cobra.Command {
	var options []string
	var timeout string
	c := verb(&cobra.Command{
		Use: "ask TEXT", Short: "Ask a person and wait for the answer", Long: askHelp, Args: cobra.MinimumNArgs(1),
	}, groupAgent)
	c.Flags().StringArrayVar(&options, "option", nil, "`TEXT` is an answer to choose from; repeat it for more")
	c.Flags().StringVar(&timeout, "timeout", "", "continue without an answer after `TIME`, such as 5m (default: MUSTER_WAIT seconds)")
	result[mail.Answer]{
		json: "the answer",
		get: func(ctx context.Context, args []string) (mail.Answer, error) {
			v, err := env.voice("ask")
			if err != nil {
				return mail.Answer{}, err
			}
			q := inside.Question{Text: strings.Join(args, " "), Options: options}
			if err := intake.ParseDuration("timeout", timeout, &q.Limit); err != nil {
				return mail.Answer{}, err
			}
			return v.Ask(ctx, q)
		},
		show: func(a mail.Answer) error {
			if a.Decision != mail.Text {
				return env.say(strings.TrimSpace(a.Decision + " " + a.Text))
			}
			return env.say(a.Text)
		},
	}.addTo(env, c)
	return c
}
