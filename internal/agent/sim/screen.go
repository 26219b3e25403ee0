package sim

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"

	"muster/internal/text"
)

// keptLines is the number of log lines in memory; the screen shows the last ones.
const keptLines = 200

// screen draws the program on the normal screen of its terminal. The loop and a turn may use it at the same time.
type screen struct {
	mu    sync.Mutex
	out   *os.File
	tty   bool
	title string
	state string // "" is idle
	note  string
	beat  int // moves the spinner
	log   []string
	draft string
	// dirty has capacity 1: it signals a change that is not drawn yet.
	dirty chan struct{}
}

func newScreen(out *os.File, title string) *screen {
	return &screen{out: out, tty: term.IsTerminal(int(out.Fd())), title: title, dirty: make(chan struct{}, 1)}
}

// change modifies the content of the next draw.
func (s *screen) change(f func(*screen)) {
	s.mu.Lock()
	f(s)
	s.mu.Unlock()
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

// say appends lines to the log. Without a terminal they are printed at once.
func (s *screen) say(format string, args ...any) {
	text := strings.TrimRight(text.Clean(fmt.Sprintf(format, args...)), "\n")
	s.change(func(s *screen) {
		for l := range strings.SplitSeq(text, "\n") {
			s.log = append(s.log, strings.ReplaceAll(l, "\t", "  "))
			if !s.tty {
				_, _ = fmt.Fprintln(s.out, l)
			}
		}
		if over := len(s.log) - keptLines; over > 0 {
			s.log = append([]string(nil), s.log[over:]...)
		}
	})
}

// raw writes to the terminal directly.
func (s *screen) raw(data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.out.Write(data)
	return err
}

// draw draws the whole screen: header, state, end of the log, input box.
func (s *screen) draw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.tty {
		return
	}
	width, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || width < 1 || height < 1 {
		width, height = 80, 24
	}
	state := "  idle"
	if s.state != "" {
		state = string([]rune("◐◓◑◒")[s.beat%4]) + " " + s.state
	}
	if s.note != "" {
		state += ": " + s.note
	}
	lines := []string{s.title, state, ""}
	room := max(0, height-len(lines)-2)
	lines = append(lines, s.log[max(0, len(s.log)-room):]...)
	draft := "> " + strings.ReplaceAll(s.draft, "\n", "⏎")
	if w := ansi.StringWidth(draft); w >= width {
		draft = "> …" + ansi.TruncateLeft(draft, w-width+4, "")
	}
	lines = append(lines, "", draft)
	var b strings.Builder
	b.WriteString("\x1b[?25l\x1b[H")
	for i, l := range lines[max(0, len(lines)-height):] {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(ansi.Truncate(l, width, "…"))
		if i < len(lines)-1 {
			b.WriteString("\x1b[K")
		}
	}
	b.WriteString("\x1b[J\x1b[?25h")
	_, _ = s.out.WriteString(b.String())
}
