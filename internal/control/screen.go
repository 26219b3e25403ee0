package control

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fleet"
	"muster/internal/life"
	"muster/internal/run"
	"muster/internal/store"
	"muster/internal/tmux"
)

// ErrNoScreen means that a task has no session on the fleet's tmux server, not yet or no longer.
var ErrNoScreen = errors.New("its session is gone")

// Screen asks for the text of an agent's terminal.
type Screen struct {
	Ref     string // named as in One
	History int    // lines before the visible screen
}

func (q Screen) get(ctx context.Context, c *Control, db *store.Store) (text string, err error) {
	t, err := One{q.Ref}.get(ctx, c, db)
	if err != nil {
		return "", err
	}
	return c.screen(ctx, t.ID, q.History)
}

// screen captures the terminal of a task's agent, or returns ErrNoScreen.
func (c *Control) screen(ctx context.Context, id event.TaskID, history int) (text string, err error) {
	f, err := c.fleet()
	if err != nil {
		return "", err
	}
	found, err := pane(ctx, f.Server(), id, fleet.RoleAgent, func(client *tmux.Client, p tmux.Pane) (err error) {
		text, err = client.Capture(ctx, p.ID, history)
		return err
	})
	if err == nil && !found {
		err = ErrNoScreen
	}
	return text, err
}

// Attach asks for the command that shows a task's agent in the caller's terminal.
type Attach struct {
	Ref      string // named as in One
	Checks   bool   // the window in which checks run, instead of the agent's
	ReadOnly bool   // keys are ignored
}

// Attachment is the command that attaches the terminal in which it runs.
type Attachment struct {
	Task life.Task
	Argv []string
	Env  []string // the environment of the command: the caller's, without what belongs to a tmux around the caller
}

// Foreground returns the command for a front end that lends it its own terminal and goes on when it has ended.
func (a Attachment) Foreground(ctx context.Context) *run.Foreground {
	return &run.Foreground{Context: ctx, Argv: a.Argv, Env: a.Env, Settle: settle}
}

// settle is how long the tmux server may take to reset the terminal of a client that was killed, after the client has ended.
const settle = 400 * time.Millisecond

func (q Attach) get(ctx context.Context, c *Control, db *store.Store) (a Attachment, err error) {
	f, err := c.fleet()
	if err != nil {
		return a, err
	}
	if a.Task, err = (One{q.Ref}).get(ctx, c, db); err != nil {
		return a, err
	}
	role := fleet.RoleAgent
	if q.Checks {
		role = fleet.RoleCheck
	}
	found, err := pane(ctx, f.Server(), a.Task.ID, role, func(_ *tmux.Client, p tmux.Pane) error {
		target := p.SessionName
		if q.Checks {
			target += ":" + string(p.Window)
		}
		a.Argv, a.Env = f.Server().AttachArgv(target, q.ReadOnly), outsideTmux(c.caller.Environ)
		return nil
	})
	if err == nil && !found {
		err = noSession(a.Task, role)
	}
	return a, err
}

// pane calls fn with the newest pane of a task. found is false if there is none, also if no server runs.
func pane(ctx context.Context, s *tmux.Server, id event.TaskID, role string, fn func(*tmux.Client, tmux.Pane) error) (found bool, err error) {
	client, err := s.Connect(ctx)
	if errors.Is(err, tmux.ErrNoServer) || errors.Is(err, tmux.ErrNoHub) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer client.Close()
	newest, found, err := newestPane(ctx, client, id, role)
	if err != nil || !found {
		return false, err
	}
	return true, fn(client, newest)
}

// newestPane returns the pane of a task's newest generation.
func newestPane(ctx context.Context, client *tmux.Client, id event.TaskID, role string) (newest tmux.Pane, found bool, err error) {
	panes, err := client.Panes(ctx)
	for _, p := range panes {
		if p.Task == string(id) && p.Role == role && (!found || p.Gen > newest.Gen) {
			newest, found = p, true
		}
	}
	return newest, found, err
}

// outsideTmux returns an environment without the variables of a tmux around the caller: inside one a client refuses to start.
// That tmux belongs to the user and may contain this program.
func outsideTmux(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		return strings.HasPrefix(kv, "TMUX=") || strings.HasPrefix(kv, "TMUX_PANE=")
	})
}

// noSession returns the error that explains why a task has no session.
func noSession(t life.Task, role string) error {
	switch {
	case role == fleet.RoleCheck:
		return fault.New(fault.Conflict, "%s has no window of checks", t.ID).WithHint("See their results: muster checks %s", t.ID)
	case t.Removed:
		return fault.New(fault.Conflict, "%s was removed, and its session with it", t.ID)
	case t.Gen == 0:
		return fault.New(fault.Conflict, "%s is %s: it has no session yet", t.ID, t.State).WithHint("`muster show %s` shows what it waits for.", t.ID)
	case t.State == event.Parked:
		return fault.New(fault.Conflict, "the session of %s is gone", t.ID).WithHint("Bring its conversation back: muster retry %s", t.ID)
	}
	return fault.New(fault.Conflict, "%s is %s, and its session is gone", t.ID, t.State).
		WithHint("What is left of it: muster show %s, muster diff %s", t.ID, t.ID)
}
