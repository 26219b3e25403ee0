package acp

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"muster/internal/text"
)

// maxShown bounds what the pane shows of the agent's words between two writes, in bytes. An agent that floods is not worth more.
const maxShown = 64 << 10

// screen is the transcript in the pane. What it gets is cleaned. It is used by one goroutine.
type screen struct {
	out  io.Writer
	buf  bytes.Buffer
	lost int
	what string // of the paragraph that is open; "" if none is
}

// line shows a line of muster's own, with words of the agent in it.
func (s *screen) line(mark, words string) {
	s.end()
	s.add(mark + " " + strings.TrimRight(text.Terminal(words, false), "\n") + "\n")
}

// chunk shows a part of a paragraph of the agent.
func (s *screen) chunk(what, words string) {
	if s.what != what {
		s.end()
		s.what = what
		if what != "" {
			s.add(what + " ")
		}
	}
	s.add(text.Terminal(words, false))
}

// end ends the paragraph that is open.
func (s *screen) end() {
	if b := s.buf.Bytes(); s.what != "" || len(b) > 0 && b[len(b)-1] != '\n' {
		s.add("\n")
	}
	s.what = ""
}

func (s *screen) add(words string) {
	if room := maxShown - s.buf.Len(); len(words) > room {
		s.lost += len(words) - max(0, room)
		words = strings.ToValidUTF8(words[:max(0, room)], "")
	}
	s.buf.WriteString(words)
}

// dirty reports whether there is something to write.
func (s *screen) dirty() bool { return s.buf.Len() > 0 || s.lost > 0 }

// flush writes what was added.
func (s *screen) flush() {
	if s.lost > 0 {
		fmt.Fprintf(&s.buf, "\n… %d bytes are left out\n", s.lost)
	}
	_, _ = s.out.Write(s.buf.Bytes())
	s.buf.Reset()
	s.lost = 0
}
