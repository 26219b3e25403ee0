package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"muster/internal/inside"
	"muster/internal/intake"
	"muster/internal/mail"
)

const askHelp = `Ask a person, and print the answer as soon as it is there. When nobody answers in time the exit code
is 5; with the built-in limit (MUSTER_WAIT seconds) the task is then parked until somebody does.

  muster ask "May I drop the column users.legacy?"
  muster ask --option rename --option drop "What becomes of users.legacy?"`

type askOptions struct {
	options []string
	timeout string
	json    bool
}

func newAskCommand(env Env) *cobra.Command {
	var o askOptions
	c := verb(&cobra.Command{
		Use: "ask TEXT", Short: "Ask a person and wait for the answer", Long: askHelp, Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), env, o, strings.Join(args, " "))
		},
	}, groupAgent)
	c.Flags().StringArrayVar(&o.options, "option", nil, "`TEXT` is an answer to choose from; repeat it for more")
	c.Flags().StringVar(&o.timeout, "timeout", "", "go on without an answer after `TIME`, such as 5m (default: MUSTER_WAIT seconds)")
	c.Flags().BoolVar(&o.json, "json", false, "print the answer as JSON")
	return c
}

func ask(ctx context.Context, env Env, o askOptions, text string) error {
	v, err := env.voice("ask")
	if err != nil {
		return err
	}
	q := inside.Question{Text: text, Options: o.options}
	if err := intake.ParseDuration("timeout", o.timeout, &q.Limit); err != nil {
		return err
	}
	a, err := v.Ask(ctx, q)
	if err != nil {
		return err
	}
	return printAnswer(env, a, o.json)
}

func printAnswer(env Env, a mail.Answer, asJSON bool) error {
	if asJSON {
		return printJSON(env.Stdout, a)
	}
	text := a.Text
	if a.Decision != mail.Text {
		text = strings.TrimSpace(fmt.Sprintf("%s %s", a.Decision, a.Text))
	}
	return env.say(text)
}
