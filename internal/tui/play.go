package tui

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"muster/internal/control"
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
	if err := show(ctx, &stage{p, o.Now}, o.Input, o.Output, o.Environ, nil); err != nil {
		return ended(err, "play the recording", fmt.Sprintf("`muster replay %s --out FILE` writes it for other players.", r.Task))
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
