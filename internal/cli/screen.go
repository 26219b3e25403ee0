package cli

import (
	"context"
	"errors"
	"os"

	"muster/internal/boot"
	"muster/internal/text"

	"golang.org/x/term"

	"muster/internal/event"
	"muster/internal/tmux"
)

// isTerminal tells whether a stream is a terminal, where a person can be asked.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// forPeople is standard output for what agents and repositories wrote.
func (e Env) forPeople() *text.Writer { return text.NewWriter(e.Stdout, e.colour()) }

// taskPane finds the newest pane of a task in the fleet's terminal; false if there is none, also because there is no
// server.
func taskPane(ctx context.Context, f boot.Fleet, id event.TaskID, role string, fn func(*tmux.Client, tmux.Pane) error) (found bool, err error) {
	client, err := f.Server().Connect(ctx)
	if errors.Is(err, tmux.ErrNoServer) || errors.Is(err, tmux.ErrNoHub) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer client.Close()
	panes, err := client.Panes(ctx)
	if err != nil {
		return false, err
	}
	var newest tmux.Pane
	for _, p := range panes {
		if p.Task == string(id) && p.Role == role && (!found || p.Gen > newest.Gen) {
			newest, found = p, true
		}
	}
	if !found {
		return false, nil
	}
	return true, fn(client, newest)
}
