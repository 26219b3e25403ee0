package tmuxtest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"muster/internal/fault"
	"muster/internal/tmux"
)

// Fake is a tmux in memory: no process, no file, no clock, so that it may live in a synctest bubble. Its
// panes run nothing; the test says when their programs end and what they print. It may be used from many
// goroutines.
type Fake struct {
	// Dirs tells which directories exist; nil is all. Set before use.
	Dirs func(dir string) bool
	// Fail, if it gives an error, is how the call named op ("open", "paste", …) on that pane or session ends
	// instead of being carried out. Set before use; it may be called from many goroutines.
	Fail func(op, target string) error

	mu       sync.Mutex
	identity tmux.Identity
	panes    []*fakePane
	last     int // number of the last pane, window and session
	pid      int
	guarded  bool
	events   chan tmux.Event
	done     chan struct{}
	err      error // why calls fail; nil while connected
	closed   bool
}

type fakePane struct {
	tmux.Pane
	screen  strings.Builder
	typed   []string
	argv    []string
	env     []string
	dir     string
	muddled bool // its status is not known
}

// NewFake is a server with nothing but its hub, and the client connected to it.
func NewFake() *Fake {
	f := &Fake{
		identity: tmux.Identity{PID: 1000, Version: "3.3a"},
		pid:      1001,
		events:   make(chan tmux.Event, tmux.EventCapacity),
		done:     make(chan struct{}),
	}
	f.add(tmux.OpenSpec{Session: HubSession, Window: HubSession, Argv: []string{"keep"}}, "")
	f.panes[0].Role = "hub"
	f.panes[0].Gen = 0
	return f
}

// add makes a pane in a session, a new one for session "".
func (f *Fake) add(spec tmux.OpenSpec, session tmux.SessionID) *fakePane {
	f.last++
	f.pid++
	n := strconv.Itoa(f.last)
	if session == "" {
		session = tmux.SessionID("$" + n)
	}
	p := &fakePane{argv: spec.Argv, env: spec.Env, dir: spec.Dir, Pane: tmux.Pane{
		ID: tmux.PaneID("%" + n), Window: tmux.WindowID("@" + n), Session: session,
		SessionName: spec.Session, WindowName: spec.Window, PID: f.pid, Columns: 120, Rows: 40,
		Task: spec.Task, Gen: spec.Gen, Role: spec.Window,
	}}
	f.panes = append(f.panes, p)
	return p
}

// enter is the beginning of every call: it takes the lock, unless the call is to fail.
func (f *Fake) enter(ctx context.Context, op, target string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.Fail != nil {
		if err := f.Fail(op, target); err != nil {
			return err
		}
	}
	f.mu.Lock()
	if f.err != nil {
		f.mu.Unlock()
		return f.err
	}
	return nil
}

// find is called with the lock held.
func (f *Fake) find(id tmux.PaneID) (*fakePane, error) {
	if err := id.Check(); err != nil {
		return nil, err
	}
	for _, p := range f.panes {
		if p.ID == id {
			return p, nil
		}
	}
	return nil, fmt.Errorf("pane %s: %w", id, tmux.ErrNoPane)
}

// with does something to a pane under the lock.
func (f *Fake) with(ctx context.Context, op string, id tmux.PaneID, do func(*fakePane) error) error {
	if err := f.enter(ctx, op, string(id)); err != nil {
		return err
	}
	defer f.mu.Unlock()
	p, err := f.find(id)
	if err != nil {
		return err
	}
	return do(p)
}

// Identity is the made-up server.
func (f *Fake) Identity() tmux.Identity { return f.identity }

// Panes lists all panes.
func (f *Fake) Panes(ctx context.Context) ([]tmux.Pane, error) {
	if err := f.enter(ctx, "panes", ""); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	out := make([]tmux.Pane, len(f.panes))
	for i, p := range f.panes {
		out[i] = p.Pane
	}
	return out, nil
}

// Pane looks at one.
func (f *Fake) Pane(ctx context.Context, id tmux.PaneID) (out tmux.Pane, err error) {
	err = f.with(ctx, "pane", id, func(p *fakePane) error { out = p.Pane; return nil })
	return out, err
}

// Open makes a pane, or uses a dead one again, as the real one does.
func (f *Fake) Open(ctx context.Context, spec tmux.OpenSpec) (tmux.Pane, error) {
	if err := spec.Check(); err != nil {
		return tmux.Pane{}, err
	}
	if f.Dirs != nil && !f.Dirs(spec.Dir) {
		return tmux.Pane{}, fault.New(fault.NotFound, "no directory to start a program in: %s", spec.Dir)
	}
	if err := f.enter(ctx, "open", spec.Session); err != nil {
		return tmux.Pane{}, err
	}
	defer f.mu.Unlock()
	session := tmux.SessionID("")
	for _, p := range f.panes {
		if p.SessionName == spec.Session {
			session = p.Session
		}
	}
	if session != "" {
		for _, p := range f.panes {
			if p.Role != spec.Window || p.Task != spec.Task || (p.Task == "" && p.SessionName != spec.Session) {
				continue
			}
			if !p.Dead {
				return p.Pane, fmt.Errorf("window %s of %s: %w", spec.Window, spec.Session, tmux.ErrDuplicate)
			}
			f.pid++
			p.PID, p.Gen, p.argv, p.env, p.dir = f.pid, spec.Gen, spec.Argv, spec.Env, spec.Dir
			p.Dead, p.StatusKnown, p.Status, p.Signal, p.InMode, p.muddled, p.Pasted = false, false, 0, 0, false, false, ""
			return p.Pane, nil
		}
	} else {
		f.emit(tmux.Event{Kind: tmux.SessionsChanged})
	}
	return f.add(spec, session).Pane, nil
}

// ExitStatus tells how the test had the pane end.
func (f *Fake) ExitStatus(ctx context.Context, id tmux.PaneID) (code, signal int, known bool, err error) {
	err = f.with(ctx, "exit_status", id, func(p *fakePane) error {
		if !p.muddled {
			code, signal, known = p.Status, p.Signal, p.StatusKnown
		}
		return nil
	})
	return code, signal, known, err
}

// Paste shows the text on the screen of the pane and notes it as typed.
func (f *Fake) Paste(ctx context.Context, id tmux.PaneID, text string) error {
	text = tmux.Clean(text)
	if err := id.Check(); err != nil {
		return err
	}
	if text == "" {
		return fault.New(fault.Usage, "nothing to paste into pane %s", id)
	}
	return f.with(ctx, "paste", id, func(p *fakePane) error {
		err := p.typeIn(text, text)
		if err == nil {
			p.Pasted = text[:min(len(text), 64)]
		}
		return err
	})
}

// Keys notes the keys as typed; Enter shows as a line end.
func (f *Fake) Keys(ctx context.Context, id tmux.PaneID, keys ...string) error {
	if err := id.Check(); err != nil {
		return err
	}
	if err := tmux.CheckKeys(keys); err != nil {
		return err
	}
	return f.with(ctx, "keys", id, func(p *fakePane) error {
		for _, k := range keys {
			show := ""
			if k == "Enter" {
				show = "\n"
			} else if len(k) == 1 {
				show = k
			}
			if err := p.typeIn(k, show); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *fakePane) typeIn(text, show string) error {
	if p.Dead {
		return fmt.Errorf("pane %s: %w", p.ID, tmux.ErrDeadPane)
	}
	if p.InMode {
		return fmt.Errorf("pane %s: %w", p.ID, tmux.ErrInMode)
	}
	p.typed = append(p.typed, text)
	p.screen.WriteString(show)
	return nil
}

// Capture gives the last lines of what was pasted and printed.
func (f *Fake) Capture(ctx context.Context, id tmux.PaneID, lines int) (out string, err error) {
	err = f.with(ctx, "capture", id, func(p *fakePane) error {
		all := strings.Split(strings.TrimRight(p.screen.String(), "\n"), "\n")
		out = strings.Join(all[max(0, len(all)-p.Rows-max(0, lines)):], "\n")
		return nil
	})
	return out, err
}

// KillSession removes a session by id or exact name.
func (f *Fake) KillSession(ctx context.Context, session string) error {
	if _, err := tmux.SessionTarget(session); err != nil {
		return err
	}
	if err := f.enter(ctx, "kill_session", session); err != nil {
		return err
	}
	defer f.mu.Unlock()
	f.remove(func(p *fakePane) bool { return string(p.Session) == session || p.SessionName == session })
	return nil
}

// KillWindow removes a window.
func (f *Fake) KillWindow(ctx context.Context, id tmux.WindowID) error {
	if err := f.enter(ctx, "kill_window", string(id)); err != nil {
		return err
	}
	defer f.mu.Unlock()
	f.remove(func(p *fakePane) bool { return p.Window == id })
	return nil
}

// remove is called with the lock held.
func (f *Fake) remove(which func(*fakePane) bool) {
	var gone []*fakePane
	f.panes = slices.DeleteFunc(f.panes, func(p *fakePane) bool {
		if which(p) {
			gone = append(gone, p)
			return true
		}
		return false
	})
	if len(gone) == 0 {
		return
	}
	f.emit(tmux.Event{Kind: tmux.SessionsChanged})
	for _, p := range gone {
		f.emit(tmux.Event{Kind: tmux.WindowClosed, Window: p.Window})
	}
}

// Manners has nobody to be polite to.
func (f *Fake) Manners(ctx context.Context, _ tmux.Event) error { return f.Reconcile(ctx) }

// Reconcile finds every window at its size.
func (f *Fake) Reconcile(ctx context.Context) error {
	if err := f.enter(ctx, "reconcile", ""); err != nil {
		return err
	}
	f.mu.Unlock()
	return nil
}

// GuardHub is remembered.
func (f *Fake) GuardHub(ctx context.Context) error {
	if err := f.enter(ctx, "guard_hub", ""); err != nil {
		return err
	}
	defer f.mu.Unlock()
	f.guarded = true
	return nil
}

// Events tells what the calls and the test did.
func (f *Fake) Events() <-chan tmux.Event { return f.events }

// Done is closed after Lose and Close.
func (f *Fake) Done() <-chan struct{} { return f.done }

// Err is ErrDisconnected after Lose.
func (f *Fake) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	return f.err
}

// Close ends the connection; the panes stay, as Reconnect shows.
func (f *Fake) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.end("closed")
}

// emit is called with the lock held and never waits.
func (f *Fake) emit(e tmux.Event) {
	if f.err != nil {
		return
	}
	for len(f.events) >= cap(f.events)-1 { // one place is kept for Exit
		select {
		case <-f.events:
		default:
		}
	}
	f.events <- e
}

// end is called with the lock held.
func (f *Fake) end(reason string) {
	if f.err != nil {
		return
	}
	f.emit(tmux.Event{Kind: tmux.Exit, Reason: reason})
	f.err = fmt.Errorf("%w: %s", tmux.ErrDisconnected, reason)
	close(f.events)
	close(f.done)
}
