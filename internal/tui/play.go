package tui

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"

	"muster/internal/control"
	"muster/internal/fault"
)

// PlayOptions describe the terminal, and how a recording is played on it.
type PlayOptions struct {
	Idle    time.Duration // a longer pause is cut to this; 0 leaves pauses as they were
	Speed   float64
	Look    Look
	Input   io.Reader // a terminal
	Output  io.Writer // a terminal
	Environ []string  // NAME=VALUE
	Now     func() time.Time
}

// Play plays a recording until the person leaves or ctx ends. However it ends, the terminal is as it was before.
func Play(ctx context.Context, r control.Replayed, o PlayOptions) error {
	p := NewPlayer(r.Recording, r.Events(), o.Look, o.Idle, o.Speed)
	defer p.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // otherwise it would end the process in the middle of a frame
	defer signal.Stop(hup)
	program := tea.NewProgram(&stage{p, o.Now}, tea.WithContext(ctx), tea.WithInput(o.Input), tea.WithOutput(o.Output),
		tea.WithEnvironment(o.Environ), tea.WithFPS(framesPerSecond))
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-hup:
			program.Quit()
		case <-ctx.Done():
		}
	}()
	_, err := program.Run()
	cancel()
	<-done
	switch {
	case errors.Is(err, tea.ErrInterrupted):
		return fault.New(fault.Interrupted, "interrupted")
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case err != nil:
		return fault.Wrap(fault.Failed, err, "play the recording").WithHint("`muster replay %s --out FILE` writes it for other players.", r.Task)
	}
	return nil
}

// stage connects a Player to Bubble Tea.
type stage struct {
	player *Player
	now    func() time.Time
}

// tick is a message that a frame is due.
type tick struct{}

func nextTick() tea.Cmd { return tea.Tick(playEvery, func(time.Time) tea.Msg { return tick{} }) }

// Init starts the clock.
func (s *stage) Init() tea.Cmd { return nextTick() }

// Update translates a message of the terminal for the player.
func (s *stage) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var next tea.Cmd
	switch m := msg.(type) {
	case tick:
		next = nextTick()
	case tea.KeyPressMsg:
		if m.Keystroke() == "ctrl+z" {
			return s, tea.Suspend
		}
		msg = keyOf(m)
	case tea.WindowSizeMsg:
		msg = Size{m.Width, m.Height}
	case tea.ResumeMsg:
		next = tea.ClearScreen
	default:
		return s, nil
	}
	if s.player.update(msg, s.now()) {
		return s, tea.Quit
	}
	return s, next
}

// View draws a frame.
func (s *stage) View() tea.View {
	v := tea.NewView(strings.Join(s.player.Frame(), "\n"))
	v.AltScreen = true
	return v
}
