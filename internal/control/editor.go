package control

import (
	"context"
	"strings"

	"muster/internal/run"
)

// Editor returns the command by which a person edits a file in the terminal that a front end lends it: the one of VISUAL or EDITOR, as
// words between blanks, and otherwise vi.
func (c *Control) Editor(ctx context.Context, path string) *run.Foreground {
	argv := []string{"vi"}
	for _, name := range []string{"EDITOR", "VISUAL"} {
		if named := strings.Fields(c.caller.Getenv(name)); len(named) > 0 {
			argv = named
		}
	}
	return &run.Foreground{Context: ctx, Argv: append(argv, path), Env: c.caller.Environ}
}
