package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"

	"muster/internal/boot"

	"golang.org/x/term"

	"muster/internal/event"
	"muster/internal/tmux"
)

// isTerminal tells whether a stream is a terminal, where a person can be asked.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// safeWriter lets text of agents and repositories through to people line by line: line ends, tabs and (where colours
// are wanted) colours, but nothing else that steers a terminal.
type safeWriter struct {
	w       io.Writer
	colours bool
	rest    []byte
}

// maxSafeLine is how much is held back for the end of its line.
const maxSafeLine = 64 << 10

// Write implements io.Writer.
func (s *safeWriter) Write(p []byte) (int, error) {
	s.rest = append(s.rest, p...)
	end := bytes.LastIndexByte(s.rest, '\n') + 1
	if end == 0 && len(s.rest) > maxSafeLine {
		end = len(s.rest)
	}
	if end == 0 {
		return len(p), nil
	}
	_, err := io.WriteString(s.w, safe(string(s.rest[:end]), s.colours))
	s.rest = append(s.rest[:0], s.rest[end:]...)
	return len(p), err
}

// Close writes what had no line end.
func (s *safeWriter) Close() error {
	_, err := io.WriteString(s.w, safe(string(s.rest), s.colours))
	s.rest = nil
	return err
}

var (
	colourSequence = regexp.MustCompile(`^\x1b\[[0-9;:]*m`)
	otherSequence  = regexp.MustCompile(`^\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[PX^_][^\x1b]*(\x1b\\)?|[ -/]*[0-~])`)
)

// safe takes everything from a text that steers a terminal.
func safe(text string, colours bool) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	var b strings.Builder
	b.Grow(len(text))
	for text != "" {
		if text[0] == 0x1b {
			if seq := colourSequence.FindString(text); seq != "" {
				if colours {
					b.WriteString(seq)
				}
				text = text[len(seq):]
				continue
			}
			text = text[max(1, len(otherSequence.FindString(text))):]
			continue
		}
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case r == utf8.RuneError && n == 1:
			b.WriteRune(r)
		default:
			b.WriteString(clean(text[:n], 1))
		}
		text = text[n:]
	}
	return b.String()
}

// forPeople is standard output for what agents and repositories wrote.
func (e Env) forPeople() *safeWriter { return &safeWriter{w: e.Stdout, colours: e.colour()} }

// taskPane finds the newest pane of a task in the fleet's terminal; false if there is none, also because there is no
// server.
func taskPane(ctx context.Context, f boot.Fleet, id event.TaskID, role string, fn func(*tmux.Client, tmux.Pane) error) (found bool, err error) {
	client, err := f.Server().Connect(ctx)
	if errors.Is(err, tmux.ErrNoServer) || errors.Is(err, tmux.ErrNoHub) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer client.Close()
	panes, err := client.Panes(ctx)
	if err != nil {
		return false, err
	}
	var newest tmux.Pane
	for _, p := range panes {
		if p.Task == string(id) && p.Role == role && (!found || p.Gen > newest.Gen) {
			newest, found = p, true
		}
	}
	if !found {
		return false, nil
	}
	return true, fn(client, newest)
}
