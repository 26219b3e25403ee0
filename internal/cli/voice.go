package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"muster/internal/event"
	"muster/internal/inside"
)

// voice returns the access to muster of the agent in whose shell a verb was called.
func (e Env) voice(verb string) (inside.Voice, error) {
	return inside.Open(inside.Caller{Environ: e.Environ, Getenv: e.Getenv, Now: e.Now}, "muster "+verb)
}

// newSayCommand returns a verb by which an agent reports one thing. reply is printed to the agent.
func newSayCommand(env Env, c *cobra.Command, say func(inside.Voice, string) (event.Record, error), reply string) *cobra.Command {
	result[event.Record]{
		get: func(_ context.Context, args []string) (event.Record, error) {
			v, err := env.voice(c.Name())
			if err != nil {
				return event.Record{}, err
			}
			return say(v, strings.Join(args, " "))
		},
		show: func(event.Record) error { return env.say(reply) },
	}.addTo(env, c)
	return verb(c, groupAgent)
}
