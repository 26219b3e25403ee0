package control

import (
	"context"
	"errors"

	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/tmux"
)

// WebSession is the session of the fleet's tmux server in which the page is served.
const WebSession = "muster-web"

// WebDir returns the private directory of the page, which it makes if it is missing.
func (c *Control) WebDir() (string, error) { return c.webFile("") }

// StayWeb runs this program with the given arguments in a pane of the fleet's tmux server, where it outlives the caller's terminal.
func (c *Control) StayWeb(ctx context.Context, args []string, dir string) error {
	if err := c.outside("muster web"); err != nil {
		return err
	}
	f, err := c.fleet()
	if err != nil {
		return err
	}
	client, err := f.Server().Connect(ctx)
	if errors.Is(err, tmux.ErrNoServer) || errors.Is(err, tmux.ErrNoHub) {
		return fault.Wrap(fault.Conflict, err, "the fleet is down, and the page stays in its tmux server").WithHint("Bring it up with `muster up`, or serve the page in this terminal: muster web")
	}
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = client.Open(ctx, tmux.OpenSpec{
		Session: WebSession, Window: "web", Dir: dir, Argv: append([]string{f.Home.Program()}, args...), Env: []string{environ.Home + "=" + string(f.Home)},
	})
	if errors.Is(err, tmux.ErrDuplicate) {
		return nil // it is about to be served
	}
	return err
}
