package control

import (
	"context"
	"errors"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fleet"
	"muster/internal/life"
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
}

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
		a.Argv = f.Server().AttachArgv(target, q.ReadOnly)
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
