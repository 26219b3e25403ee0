package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/event"
	"muster/internal/fault"
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
	s, err := agentShell(env, "ask")
	if err != nil {
		return err
	}
	seconds, err := strconv.Atoi(env.Getenv("MUSTER_WAIT"))
	if err != nil || seconds < 1 {
		seconds = 15 * 60
	}
	limit := time.Duration(seconds) * time.Second
	if err := parseDuration("timeout", o.timeout, &limit); err != nil {
		return err
	}
	box := s.box()
	if err := box.Create(); err != nil {
		return err
	}
	q := event.Record{State: event.RecordWaiting, Reason: event.WaitQuestion, Note: text, Options: o.options, Request: mail.NewRequest()}
	if err := s.report(env, q); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a, err := box.Await(waiting, q.Request)
	switch {
	case err == nil:
		return printAnswer(env, a, o.json)
	case ctx.Err() != nil:
		return ctx.Err()
	case !errors.Is(err, mail.ErrNoAnswer):
		return err
	}
	if o.timeout != "" { // it goes on by itself, and says so: the question is over
		if err := s.report(env, event.Record{State: event.RecordWorking, Note: "goes on without an answer"}); err != nil {
			return err
		}
	}
	return fault.New(fault.Timeout, "nobody answered within %s", duration(limit)).
		WithHint("Go on without an answer if you can, else end your turn.")
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
