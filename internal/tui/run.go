package tui

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/intake"
	"muster/internal/regular"
)

// Options describe the terminal and the fleet.
type Options struct {
	Look    Look
	Since   time.Time // of the night
	Input   io.Reader // a terminal
	Output  io.Writer // a terminal
	Environ []string  // NAME=VALUE
	Now     func() time.Time
	// Order checks an order and freezes it.
	Order func(context.Context, intake.Order) (intake.Task, error)
}

const (
	// mostListed is the number of listed tasks that only wait, and of those that have ended.
	mostListed = 1000
	// framesPerSecond is how often what has changed is drawn. A person does not see more of a list, and a slow line cannot carry it.
	framesPerSecond = 25
)

// Run shows the fleet until the person quits or ctx ends. However it ends, the terminal is as it was before.
func Run(ctx context.Context, c *control.Control, o Options) error {
	ctx, cancel := context.WithCancel(control.Through(ctx, event.FrontTop))
	defer cancel()
	s := &shell{ctx: ctx, control: c, viewer: c.Viewer(), model: New(o.Look, o.Since), now: o.Now, order: o.Order}
	defer s.viewer.Close()
	if err := show(ctx, s, o.Input, o.Output, o.Environ, s.follow); err != nil {
		return ended(err, "show the fleet", "`muster ls` shows it without a full screen.")
	}
	return nil
}

// show runs a program on the whole terminal until it quits, ctx ends or the terminal hangs up. beside, which may be nil, runs as long, and
// is given a function that sends a message to the program.
func show(ctx context.Context, m tea.Model, in io.Reader, out io.Writer, environ []string, beside func(context.Context, func(tea.Msg))) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // otherwise it would end the process in the middle of a frame
	defer signal.Stop(hup)
	p := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithEnvironment(environ), tea.WithFPS(framesPerSecond))
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-hup:
			p.Quit()
		case <-ctx.Done():
		}
	})
	if beside != nil {
		wg.Go(func() { beside(ctx, p.Send) })
	}
	_, err := p.Run()
	cancel()
	wg.Wait()
	return err
}

// ended returns the error of a verb whose program ended with err: what it could not do, and what to do instead.
func ended(err error, what, hint string) error {
	switch {
	case errors.Is(err, tea.ErrInterrupted):
		return fault.New(fault.Interrupted, "interrupted")
	case errors.Is(err, context.Canceled):
		return context.Canceled
	}
	return fault.Wrap(fault.Failed, err, "%s", what).WithHint("%s", hint)
}

// shell connects a Model to Bubble Tea: it translates messages, and carries out effects.
type shell struct {
	ctx     context.Context
	control *control.Control
	viewer  *control.Viewer
	model   *Model
	now     func() time.Time
	order   func(context.Context, intake.Order) (intake.Task, error)
}

// follow sends what changes in the fleet, and goes on after errors.
func (s *shell) follow(ctx context.Context, send func(tea.Msg)) {
	s.control.FollowOn(ctx, control.Follow{Most: mostListed}, func(change control.Change, err error) {
		if err != nil {
			send(Lost{err})
			return
		}
		send(Changed{change})
	})
}

// Init returns the first effects.
func (s *shell) Init() tea.Cmd { return s.batch(s.model.start()) }

// Update translates a message of the terminal for the model.
func (s *shell) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch m := msg.(type) {
	case tea.KeyPressMsg:
		msg = keyOf(m)
	case tea.PasteMsg:
		msg = Paste{m.Content}
	case tea.WindowSizeMsg:
		msg = Size{m.Width, m.Height}
	case tea.FocusMsg:
		msg = Focus{true}
	case tea.BlurMsg:
		msg = Focus{false}
	case tea.ResumeMsg:
		return s, tea.ClearScreen
	}
	return s, s.batch(s.model.update(msg, s.now()))
}

// keyOf returns the key of a message. A letter bears the name that it types.
func keyOf(m tea.KeyPressMsg) Key {
	k := Key{Name: m.Keystroke(), Text: m.Text}
	if n := strings.TrimSpace(m.Text); n != "" && !strings.Contains(k.Name, "ctrl+") && !strings.Contains(k.Name, "alt+") {
		k.Name = n
	}
	return k
}

// View draws a frame.
func (s *shell) View() tea.View {
	v := tea.NewView(strings.Join(s.model.Frame(s.now()), "\n"))
	v.AltScreen, v.ReportFocus, v.WindowTitle = true, true, s.model.Title()
	return v
}

func (s *shell) batch(all []effect) tea.Cmd {
	var cmds []tea.Cmd
	for _, e := range all {
		cmds = append(cmds, s.command(e))
	}
	return tea.Batch(cmds...)
}

// command returns what carries out an effect.
func (s *shell) command(e effect) tea.Cmd {
	switch e := e.(type) {
	case wait:
		return tea.Tick(e.after, func(time.Time) tea.Msg { return e.msg })
	case copyText:
		return tea.SetClipboard(e.text)
	case redraw:
		return tea.ClearScreen
	case suspend:
		return tea.Suspend
	case quit:
		return tea.Quit
	case attach:
		return s.attach(e)
	case edit:
		return s.edit
	}
	return func() tea.Msg { return s.read(e) }
}

// read carries out an effect that needs the fleet, and returns its result.
func (s *shell) read(e effect) tea.Msg {
	switch e := e.(type) {
	case readAsk:
		t, err := control.Get(s.ctx, s.control, control.One{Ref: string(e.id)})
		return asked{id: e.id, task: t, err: err}
	case readScreen:
		text, err := s.viewer.Screen(s.ctx, e.id, e.gen)
		return screen{id: e.id, text: text, err: err}
	case readPage:
		return readTab(s.ctx, s.control, e)
	case readNight:
		line, err := control.Get(s.ctx, s.control, control.Night{Since: e.since})
		return night{line: line, err: err}
	case order:
		out, err := s.control.Do(s.ctx, e.cmd)
		if err != nil {
			return ordered{id: e.id, err: err}
		}
		t, err := s.control.Await(s.ctx, out)
		return ordered{id: e.id, task: t, down: out.Down, err: err}
	case dispatch:
		return s.dispatch(e)
	case noteLook:
		_ = s.control.Looking() // otherwise a message is sent, which is what happens without the screen
	case markSeen:
		if err := s.control.MarkSeen(s.ctx, e.id, e.changed); err != nil {
			return failed{err}
		}
	}
	return nil
}

// dispatch queues a task. What a person has written stays in its file if that fails.
func (s *shell) dispatch(e dispatch) tea.Msg {
	t, err := s.order(s.ctx, e.order)
	var out control.Outcome
	if err == nil {
		out, err = s.control.Do(s.ctx, control.Dispatch{Tasks: []intake.Task{t}})
	}
	switch {
	case err != nil && out.Task == "" && e.draft != "":
		return dispatched{err: fault.Wrap(fault.CodeOf(err), err, "nothing is queued, and your words are in %s", e.draft).WithHint("%s", fault.HintOf(err))}
	case err != nil && out.Task == "":
		return dispatched{err: err}
	case e.draft != "":
		_ = os.Remove(e.draft)
	}
	return dispatched{id: out.Task}
}

// edit lends the terminal to the person's editor with an empty file. A file in which nothing was written is removed.
func (s *shell) edit() tea.Msg {
	f, err := os.CreateTemp("", "muster-task-*.md")
	if err != nil {
		return failed{err}
	}
	path := f.Name()
	if err := f.Close(); err != nil {
		return failed{err}
	}
	return tea.Exec(s.control.Editor(s.ctx, path), func(err error) tea.Msg {
		written, readErr := regular.Read(path, control.MaxPrompt)
		if err == nil {
			err = readErr
		}
		if err != nil || strings.TrimSpace(string(written)) == "" {
			if readErr == nil && len(written) == 0 {
				_ = os.Remove(path)
			}
			return edited{err: err}
		}
		return edited{text: string(written), draft: path}
	})()
}

// attach finds the agent's session, and lends it the terminal.
func (s *shell) attach(e attach) tea.Cmd {
	return func() tea.Msg {
		a, err := control.Get(s.ctx, s.control, control.Attach{Ref: string(e.id), ReadOnly: e.readOnly})
		if err != nil {
			return failed{err}
		}
		return tea.Exec(a.Foreground(s.ctx), func(err error) tea.Msg { return returned{err} })()
	}
}
