package tmuxtest

import (
	"fmt"
	"slices"

	"muster/internal/tmux"
)

// What a test does to a Fake. Panes that are gone are passed over, as the world does not wait for tests.

// Exit has the program of a pane end with a status.
func (f *Fake) Exit(id tmux.PaneID, status int) { f.die(id, status, 0, false) }

// Signal has a signal end the program of a pane.
func (f *Fake) Signal(id tmux.PaneID, signal int) { f.die(id, 0, signal, false) }

// Vanish has the program of a pane end in a way that tmux cannot tell.
func (f *Fake) Vanish(id tmux.PaneID) { f.die(id, 0, 0, true) }

func (f *Fake) die(id tmux.PaneID, status, signal int, muddled bool) {
	f.change(id, func(p *fakePane) {
		if !p.Dead {
			p.Dead, p.Status, p.Signal, p.StatusKnown, p.muddled = true, status, signal, !muddled, muddled
		}
	})
}

// Scroll takes a pane into copy mode or out of it.
func (f *Fake) Scroll(id tmux.PaneID, on bool) {
	f.change(id, func(p *fakePane) {
		p.InMode = on
		f.emit(tmux.Event{Kind: tmux.ModeChanged, Pane: id})
	})
}

// Print has the program of a pane write to its screen.
func (f *Fake) Print(id tmux.PaneID, text string) {
	f.change(id, func(p *fakePane) { p.screen.WriteString(text) })
}

// Typed is every text pasted and every key pressed into a pane, in order.
func (f *Fake) Typed(id tmux.PaneID) (typed []string) {
	f.change(id, func(p *fakePane) { typed = slices.Clone(p.typed) })
	return typed
}

// Running is the argv, environment and directory that a pane was last opened with.
func (f *Fake) Running(id tmux.PaneID) (argv, env []string, dir string) {
	f.change(id, func(p *fakePane) { argv, env, dir = p.argv, p.env, p.dir })
	return argv, env, dir
}

// Guarded tells whether GuardHub was called.
func (f *Fake) Guarded() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.guarded
}

// Emit tells an event that nothing else here makes, such as a person who attaches.
func (f *Fake) Emit(e tmux.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.emit(e)
}

// Lose ends the server: its panes are gone, and the connection with it.
func (f *Fake) Lose(reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end(reason)
	f.panes = nil
}

// Reconnect is the next client of the same server, after Close; of a new and empty one after Lose.
func (f *Fake) Reconnect() (*Fake, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		return nil, fmt.Errorf("still connected")
	}
	next := NewFake()
	next.Dirs, next.Fail = f.Dirs, f.Fail
	if f.panes == nil {
		next.identity.PID = f.identity.PID + 1
		return next, nil
	}
	next.identity, next.panes, next.last, next.pid, next.guarded = f.identity, f.panes, f.last, f.pid, f.guarded
	return next, nil
}

// change does something to a pane that is there.
func (f *Fake) change(id tmux.PaneID, do func(*fakePane)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p, err := f.find(id); err == nil {
		do(p)
	}
}
