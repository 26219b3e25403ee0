package cli

import (
	"cmp"
	"context"
	"errors"

	"github.com/spf13/cobra"
)

// result is a verb that computes a value, then prints it for people or, with --json, as JSON.
type result[R any] struct {
	get  func(ctx context.Context, args []string) (R, error)
	show func(R) error                               // prints it for people; nil prints nothing
	view func(ctx context.Context, r R) (any, error) // returns what --json prints, if that is not R itself
	json string                                      // describes what --json prints, for the help
}

// addTo turns c into that verb.
func (r result[R]) addTo(env Env, c *cobra.Command) {
	asJSON := jsonFlag(c, r.json)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		env.progress.begin(*asJSON)
		v, err := r.get(cmd.Context(), args)
		env.progress.end()
		also, partly := errors.AsType[partial](err)
		switch {
		case err != nil && !partly:
			return err
		case *asJSON:
			err = r.printJSON(cmd.Context(), env, v)
		case r.show != nil:
			err = r.show(v)
		default:
			err = nil
		}
		return cmp.Or(err, also.error)
	}
}

func (r result[R]) printJSON(ctx context.Context, env Env, v R) error {
	if r.view == nil {
		return printJSON(env.Stdout, v)
	}
	seen, err := r.view(ctx, v)
	if err != nil {
		return err
	}
	return printJSON(env.Stdout, seen)
}

// jsonFlag adds --json to a verb. about describes what it prints.
func jsonFlag(c *cobra.Command, about string) *bool {
	if about != "" {
		about = ": " + about
	}
	return c.Flags().Bool("json", false, "print JSON"+about)
}

// partial is an error with a result that must still be printed: some of several tasks failed, or the result itself is
// bad.
type partial struct{ error }

// Unwrap returns the error.
func (p partial) Unwrap() error { return p.error }
