package cli

import (
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"muster/internal/control"
	"muster/internal/fault"
	"muster/internal/tui"
)

const topHelp = `Show the fleet on a full screen: what needs you, what runs, and the screen of the selected agent. n shows
what the next task asks; a digit answers a question, y allows and d denies. Enter opens a task with its
diff, checks and log, and attaches to its agent from there. T shows the night; ? shows all keys.
Each action shows the muster command that does the same. Opening it starts no fleet.

  muster top
  muster top --ascii
  NO_COLOR=1 muster top`

func newTopCommand(env Env) *cobra.Command {
	var since string
	var ascii bool
	c := verb(&cobra.Command{
		Use: "top", Short: "Show the fleet on a full screen, and answer what it asks", Long: topHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return top(cmd.Context(), env, since, ascii) },
	}, groupLook)
	c.Flags().StringVar(&since, "since", "12h", "the night begins at `TIME`: "+timeForms)
	c.Flags().BoolVar(&ascii, "ascii", false, "draw with ASCII characters only; so it is where the locale is not UTF-8")
	return c
}

func top(ctx context.Context, env Env, since string, ascii bool) error {
	from, err := readTime("since", since, past, env.Now())
	if err != nil {
		return err
	}
	in, out, ok := fullScreen(env)
	if !ok {
		return fault.New(fault.Conflict, "muster top needs a terminal that it can draw on").
			WithHint("`muster ls` prints the tasks as lines, and `muster report` what happened.")
	}
	return withControl(env, func(c *control.Control) error {
		return tui.Run(ctx, c, tui.Options{Look: lookOf(env, ascii), Since: from, Input: in, Output: out, Environ: env.Environ, Now: env.Now, Order: orderOf(env)})
	})
}

// fullScreen returns the terminal of a verb that draws on all of it, and whether there is one.
func fullScreen(env Env) (in, out *os.File, ok bool) {
	in, isIn := env.Stdin.(*os.File)
	out, isOut := env.Stdout.(*os.File)
	return in, out, isIn && isOut && isTerminal(in) && isTerminal(out) && env.Getenv("TERM") != "dumb"
}

// lookOf returns how such a verb draws.
func lookOf(env Env, ascii bool) tui.Look {
	return tui.Look{ASCII: ascii || !isUTF8(env), Colour: env.Getenv("NO_COLOR") == ""}
}

// isUTF8 reports whether the terminal's characters are those of Unicode, as the locale says.
func isUTF8(env Env) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := env.Getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}
