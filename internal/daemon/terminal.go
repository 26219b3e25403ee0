package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"muster/internal/event"
	"muster/internal/fleet"
	"muster/internal/tmux"
)

// terminal implements fleet.Terminal with tmux. It reconnects the control client: a person may detach it, which does
// not mean that the server is gone.
type terminal struct {
	server *tmux.Server
	log    *slog.Logger
	lost   chan struct{} // closed when the server is gone

	mu     sync.Mutex
	client *tmux.Client
}

func connectTerminal(ctx context.Context, server *tmux.Server, log *slog.Logger) (*terminal, error) {
	c, err := server.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &terminal{server: server, log: log, lost: make(chan struct{}), client: c}, nil
}

// Serve adjusts the windows when people attach and detach, and reconnects when the connection ends. It returns when
// ctx ends or the server is gone.
func (t *terminal) Serve(ctx context.Context) error {
	for {
		c := t.current()
		if err := c.GuardHub(ctx); err != nil {
			t.log.Debug("guard the keeper's pane", "err", err)
		}
		if err := c.FitWindows(ctx); err != nil {
			t.log.Debug("reconcile window sizes", "err", err)
		}
		if !t.listen(ctx, c) {
			c.Close()
			return nil
		}
		c.Close()
		next, err := t.server.Connect(ctx)
		if err != nil {
			if ctx.Err() == nil {
				t.log.Error("tmux is gone", "err", err)
				close(t.lost)
			}
			return nil
		}
		t.mu.Lock()
		t.client = next
		t.mu.Unlock()
	}
}

// listen follows one connection until it ends. It returns false if ctx ended.
func (t *terminal) listen(ctx context.Context, c *tmux.Client) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-c.Done():
			return ctx.Err() == nil
		case ev := <-c.Events():
			if err := c.Resize(ctx, ev); err != nil {
				t.log.Debug("attach manners", "err", err)
			}
		}
	}
}

func (t *terminal) current() *tmux.Client {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.client
}

// Open implements fleet.Terminal.
func (t *terminal) Open(ctx context.Context, w fleet.Window) (fleet.Pane, error) {
	p, err := t.current().Open(ctx, tmux.OpenSpec{
		Session: w.Session, Window: w.Role, Dir: w.Dir, Argv: w.Argv, Task: string(w.Task), Gen: w.Gen, Record: w.Record,
	})
	return pane(p), translate(err)
}

// Panes implements fleet.Terminal.
func (t *terminal) Panes(ctx context.Context) ([]fleet.Pane, error) {
	all, err := t.current().Panes(ctx)
	if err != nil {
		return nil, translate(err)
	}
	var out []fleet.Pane
	for _, p := range all {
		if p.Task != "" {
			out = append(out, pane(p))
		}
	}
	return out, nil
}

// ExitStatus implements fleet.Terminal.
func (t *terminal) ExitStatus(ctx context.Context, id string) (exit, signal int, known bool, err error) {
	exit, signal, known, err = t.current().ExitStatus(ctx, tmux.PaneID(id))
	return exit, signal, known, translate(err)
}

// Screen implements fleet.Terminal.
func (t *terminal) Screen(ctx context.Context, id string) (string, error) {
	text, err := t.current().Capture(ctx, tmux.PaneID(id), 0)
	return text, translate(err)
}

// Styled implements fleet.Terminal.
func (t *terminal) Styled(ctx context.Context, id string) (string, error) {
	text, err := t.current().CaptureStyled(ctx, tmux.PaneID(id))
	return text, translate(err)
}

// Paste implements fleet.Terminal.
func (t *terminal) Paste(ctx context.Context, id string, texts ...string) error {
	return translate(t.current().Paste(ctx, tmux.PaneID(id), texts...))
}

// Keys implements fleet.Terminal.
func (t *terminal) Keys(ctx context.Context, id string, keys ...string) error {
	return translate(t.current().Keys(ctx, tmux.PaneID(id), keys...))
}

// Close implements fleet.Terminal.
func (t *terminal) Close(ctx context.Context, session string) error {
	if session == "" {
		return nil
	}
	return translate(t.current().KillSession(ctx, session))
}

func pane(p tmux.Pane) fleet.Pane {
	return fleet.Pane{
		ID: string(p.ID), PID: p.PID, Dead: p.Dead, InMode: p.InMode, Session: p.SessionName,
		Task: event.TaskID(p.Task), Gen: p.Gen, Role: p.Role, Pasted: p.Pasted,
	}
}

// translate returns fleet's error for an error of tmux.
func translate(err error) error {
	for from, to := range map[error]error{
		tmux.ErrNoPane: fleet.ErrNoPane, tmux.ErrInMode: fleet.ErrInMode, tmux.ErrDeadPane: fleet.ErrDead,
		tmux.ErrNoServer: fleet.ErrNoWorld, tmux.ErrDisconnected: fleet.ErrNoWorld,
	} {
		if errors.Is(err, from) {
			return fmt.Errorf("%w (%w)", to, err)
		}
	}
	return err
}
