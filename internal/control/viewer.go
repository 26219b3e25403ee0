package control

import (
	"context"
	"errors"
	"sync"
	"time"

	"muster/internal/event"
	"muster/internal/fleet"
	"muster/internal/tmux"
)

// Viewer reads screens of agents again and again by one client of the fleet's tmux server, which it connects when it is
// first used. Its methods are safe for concurrent use.
type Viewer struct {
	control *Control

	mu     sync.Mutex
	client *tmux.Client
	retry  time.Time // no connection is tried before
	of     event.TaskID
	gen    int
	pane   tmux.PaneID // of the task above, in its generation above
}

// againAfter is the pause after a connection that failed.
const againAfter = 2 * time.Second

// Viewer returns a new viewer. It must be closed.
func (c *Control) Viewer() *Viewer { return &Viewer{control: c} }

// Screen returns the rows of the visible screen of a task's agent, with the colours. The agent wrote them: they must be cleaned
// before a terminal shows them. gen is the task's newest generation. ErrNoScreen means that there is no session.
func (v *Viewer) Screen(ctx context.Context, id event.TaskID, gen int) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.connect(ctx); err != nil {
		return "", err
	}
	if v.pane != "" && v.of == id && v.gen == gen {
		if text, err := v.client.CaptureRows(ctx, v.pane); err == nil {
			return text, nil
		}
	}
	p, found, err := newestPane(ctx, v.client, id, fleet.RoleAgent)
	switch {
	case err != nil:
		return "", err
	case !found:
		v.pane = ""
		return "", ErrNoScreen
	}
	v.of, v.gen, v.pane = id, gen, p.ID
	return v.client.CaptureRows(ctx, p.ID)
}

// connect connects the client if there is none, or if its server has ended.
func (v *Viewer) connect(ctx context.Context) error {
	if v.client != nil {
		select {
		case <-v.client.Done():
			v.client.Close()
			v.client, v.pane = nil, ""
		default:
			return nil
		}
	}
	now := time.Now()
	if now.Before(v.retry) {
		return ErrNoScreen
	}
	f, err := v.control.fleet()
	if err != nil {
		return err
	}
	v.retry = now.Add(againAfter)
	client, err := f.Server().Connect(ctx)
	if errors.Is(err, tmux.ErrNoServer) || errors.Is(err, tmux.ErrNoHub) {
		return ErrNoScreen
	}
	if err != nil {
		return err
	}
	v.client, v.retry = client, time.Time{}
	return nil
}

// Close ends the client.
func (v *Viewer) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.client != nil {
		v.client.Close()
		v.client = nil
	}
}
