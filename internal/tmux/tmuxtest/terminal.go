package tmuxtest

import (
	"context"

	"muster/internal/tmux"
)

// Terminal is everything that a *tmux.Client offers and a *Fake imitates.
type Terminal interface {
	Identity() tmux.Identity
	Panes(ctx context.Context) ([]tmux.Pane, error)
	Pane(ctx context.Context, id tmux.PaneID) (tmux.Pane, error)
	Open(ctx context.Context, spec tmux.OpenSpec) (tmux.Pane, error)
	ExitStatus(ctx context.Context, id tmux.PaneID) (code, signal int, known bool, err error)
	Paste(ctx context.Context, id tmux.PaneID, text string) error
	Keys(ctx context.Context, id tmux.PaneID, keys ...string) error
	Capture(ctx context.Context, id tmux.PaneID, lines int) (string, error)
	KillSession(ctx context.Context, session string) error
	KillWindow(ctx context.Context, id tmux.WindowID) error
	Manners(ctx context.Context, ev tmux.Event) error
	Reconcile(ctx context.Context) error
	GuardHub(ctx context.Context) error
	Events() <-chan tmux.Event
	Done() <-chan struct{}
	Err() error
	Close()
}

var (
	_ Terminal = (*tmux.Client)(nil)
	_ Terminal = (*Fake)(nil)
)
