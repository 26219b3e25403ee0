package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"muster/internal/event"
	"muster/internal/inside"
)

// voice is the voice of the agent in whose shell a verb was called.
func (e Env) voice(verb string) (inside.Voice, error) {
	return inside.Open(inside.Caller{Environ: e.Environ, Getenv: e.Getenv, Now: e.Now}, "muster "+verb)
}

// newSayCommand is a verb by which an agent says one thing; reply is what it is told then.
func newSayCommand(env Env, c *cobra.Command, say func(inside.Voice, string) (event.Record, error), reply string) *cobra.Command {
	var asJSON bool
	c.RunE = func(cmd *cobra.Command, args []string) error {
		v, err := env.voice(cmd.Name())
		if err != nil {
			return err
		}
		r, err := say(v, strings.Join(args, " "))
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(env.Stdout, r)
		}
		return env.say(reply)
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the record as JSON")
	return verb(c, groupAgent)
}
