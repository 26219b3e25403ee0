package tui

import (
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/vt"

	"muster/internal/control"
	"muster/internal/text"
	"muster/internal/words"
)

// Player is the state of a recording that is played. It draws the recorded terminal on one of its own (an emulator), and
// shows the cells of that: what an agent printed moves no cursor of the person's terminal. Its methods must not be called at the same time.
type Player struct {
	of    control.Recording
	look  Look
	idle  time.Duration
	speed float64

	next   func() (control.ScreenEvent, error, bool)
	stop   func()
	coming *control.ScreenEvent // read, and not due yet
	at     time.Duration        // of the recording
	now    time.Time            // when at was right
	paused bool
	over   bool
	said   string // what is missing

	columns, rows int // of the recording
	screen        *vt.Emulator
	width, height int // of the person's terminal
}

const (
	// playEvery is the time between two frames.
	playEvery = 40 * time.Millisecond
	// playMost is how much output one frame takes at most, in bytes, so that a key is never long in coming.
	playMost = 1 << 20
	// skip is how far one key goes ahead.
	skip = 30 * time.Second

	slowest, fastest = 1.0 / 16, 1024
)

// NewPlayer returns a player at the beginning of a recording. The caller calls Close.
func NewPlayer(r control.Recording, events iter.Seq2[control.ScreenEvent, error], look Look, idle time.Duration, speed float64) *Player {
	p := &Player{of: r, look: look, idle: idle, speed: speed}
	p.next, p.stop = iter.Pull2(events)
	p.blank(r.Columns, r.Rows)
	return p
}

// Close ends the reading of the recording.
func (p *Player) Close() { p.stop() }

// blank begins with an empty terminal.
func (p *Player) blank(columns, rows int) {
	p.columns, p.rows = max(1, columns), max(1, rows)
	p.screen = vt.NewEmulator(p.columns, p.rows)
	p.screen.SetScrollbackSize(1) // nobody scrolls back
	if answers, ok := p.screen.InputPipe().(io.Closer); ok {
		_ = answers.Close() // nobody reads what it answers, and it would wait for that
	}
}

// update takes a message, as Model.update does. It reports whether the person leaves.
func (p *Player) update(msg any, now time.Time) (leave bool) {
	switch m := msg.(type) {
	case Size:
		p.width, p.height = m.Width, m.Height
	case Key:
		p.advance(now)
		return p.key(m.Name)
	default:
		p.advance(now)
	}
	return false
}

func (p *Player) key(name string) (leave bool) {
	switch name {
	case "q", "ctrl+c", "esc":
		return true
	case "space", " ":
		p.paused = !p.paused
	case "+", "=":
		p.speed = min(p.speed*2, fastest)
	case "-":
		p.speed = max(p.speed/2, slowest)
	case "right", "l":
		p.forward(skip)
	}
	return false
}

// advance plays what is due.
func (p *Player) advance(now time.Time) {
	passed := now.Sub(p.now)
	if first := p.now.IsZero(); first || p.paused || passed < 0 {
		passed = 0
	}
	p.now = now
	p.forward(time.Duration(float64(passed) * p.speed))
}

// forward plays the recording for so long, and cuts a pause that follows.
func (p *Player) forward(d time.Duration) {
	until := p.at + d
	for taken := 0; taken < playMost; {
		if !p.read() {
			return
		}
		if p.coming.At > until {
			p.at = max(p.at, until)
			if p.idle > 0 && !p.paused && p.coming.At-p.at > p.idle {
				p.at = p.coming.At - p.idle
			}
			return
		}
		p.at = max(p.at, p.coming.At)
		taken += len(p.coming.Data) + 1
		p.draw(*p.coming)
		p.coming = nil
	}
}

// read makes the next event the one that comes. It returns false at the end.
func (p *Player) read() bool {
	if p.coming != nil {
		return true
	}
	if p.over {
		return false
	}
	e, err, more := p.next()
	if !more || err != nil {
		p.over = true
		if err != nil {
			p.said = "the rest cannot be read: " + text.Line(err.Error(), 200)
		}
		return false
	}
	p.coming = &e
	return true
}

// draw draws an event. An emulator that fails at what an agent made up begins anew.
func (p *Player) draw(e control.ScreenEvent) {
	defer func() {
		if recover() != nil {
			p.blank(p.columns, p.rows)
			p.said = "a part could not be drawn"
		}
	}()
	switch e.Kind {
	case control.ScreenOutput:
		_, _ = p.screen.WriteString(e.Data)
	case control.ScreenSize:
		if columns, rows, ok := control.SizeOf(e); ok {
			p.columns, p.rows = columns, rows
			p.screen.Resize(columns, rows)
		}
	case control.ScreenMark:
		if what := control.Missing(e); what != "" {
			p.said = what
		}
	}
}

// Frame returns the lines to show: a part of the recorded terminal, with the cursor in it, and a line about it.
func (p *Player) Frame() []string {
	if p.width < 1 || p.height < 2 {
		return nil
	}
	lines := p.lines()
	room := p.height - 1
	from := 0
	if len(lines) > room {
		from = min(max(0, p.screen.CursorPosition().Y-room+1), len(lines)-room)
	}
	out := make([]string, 0, p.height)
	for _, l := range lines[from:min(len(lines), from+room)] {
		if !p.look.Colour {
			l = ansi.Strip(l)
		} else {
			l += "\x1b[m"
		}
		out = append(out, ansi.Truncate(l, p.width, ""))
	}
	for len(out) < room {
		out = append(out, "")
	}
	return append(out, ansi.Truncate(p.line(), p.width, ""))
}

// lines returns the cells of the recorded terminal, with colours and nothing else.
func (p *Player) lines() (out []string) {
	defer func() {
		if recover() != nil {
			p.blank(p.columns, p.rows)
			out = make([]string, p.rows)
		}
	}()
	return strings.Split(text.Terminal(p.screen.Render(), true), "\n")
}

// line describes what is played.
func (p *Player) line() string {
	state := fmt.Sprintf("%gx", p.speed)
	switch {
	case p.over && p.coming == nil:
		state = "over"
	case p.paused:
		state = "paused"
	}
	parts := []string{
		fmt.Sprintf("%s.%d", p.of.Task, p.of.Gen), p.of.Began.Add(p.at).Local().Format("15:04:05"),
		words.Duration(p.at) + " of " + words.Duration(max(p.of.Length(), p.at)), state,
	}
	if p.columns > p.width || p.rows > p.height-1 {
		parts = append(parts, fmt.Sprintf("a part of %dx%d", p.columns, p.rows))
	}
	if p.said != "" {
		parts = append(parts, p.said)
	}
	return " " + strings.Join(append(parts, "space, right, +, -, q"), "  ")
}
