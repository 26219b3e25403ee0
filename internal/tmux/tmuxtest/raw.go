package tmuxtest

import (
	"context"

	"muster/internal/run"
)

// Raw is a private server that a test drives by command lines, as a person does. It is started by its first command.
type Raw struct {
	Socket string
	Conf   string // its configuration
	Env    []string
}

// Do runs one command line of the server and returns its output.
func (r Raw) Do(ctx context.Context, args ...string) (string, error) {
	res, err := run.Do(ctx, run.Cmd{Argv: append([]string{"tmux", "-f", r.Conf, "-S", r.Socket}, args...), Env: r.Env})
	return string(res.Stdout) + string(res.Stderr), err
}
