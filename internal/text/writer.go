package text

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"
)

// Writer passes text through to a terminal line by line, cleaned by Terminal. It is not safe for concurrent use.
type Writer struct {
	w       io.Writer
	colours bool
	rest    []byte // an incomplete line
}

// maxHeld is how many bytes of an incomplete line a Writer holds back.
const maxHeld = 64 << 10

// NewWriter returns a Writer that writes to w and lets colour sequences through if colours is set.
func NewWriter(w io.Writer, colours bool) *Writer { return &Writer{w: w, colours: colours} }

// Write implements io.Writer.
func (s *Writer) Write(p []byte) (int, error) {
	s.rest = append(s.rest, p...)
	end := bytes.LastIndexByte(s.rest, '\n') + 1
	if end == 0 && len(s.rest) > maxHeld {
		end = len(s.rest)
	}
	if end == 0 {
		return len(p), nil
	}
	_, err := io.WriteString(s.w, Terminal(string(s.rest[:end]), s.colours))
	s.rest = append(s.rest[:0], s.rest[end:]...)
	return len(p), err
}

// Close writes an incomplete last line. It does not close the underlying writer.
func (s *Writer) Close() error {
	_, err := io.WriteString(s.w, Terminal(string(s.rest), s.colours))
	s.rest = nil
	return err
}

// Terminal is Clean for a text that a terminal shows as it is: a carriage return within a line becomes a blank, and
// colour sequences stay if colours is set.
func Terminal(s string, colours bool) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	var b strings.Builder
	b.Grow(len(s))
	for s != "" {
		if s[0] == 0x1b {
			n := colour(s)
			if n > 0 && colours {
				b.WriteString(s[:n])
			}
			if n == 0 {
				n = escape(s)
			}
			s = s[n:]
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		s = s[n:]
		switch {
		case r == '\n' || r == '\t' || !Hidden(r) && !isLineEnd(r):
			b.WriteRune(r)
		case isLineEnd(r):
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// colour returns the length of the colour sequence (SGR) at the start of s, 0 if there is none.
func colour(s string) int {
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	for i := 2; i < len(s); i++ {
		switch c := s[i]; {
		case c == 'm':
			return i + 1
		case c != ';' && c != ':' && (c < '0' || c > '9'):
			return 0
		}
	}
	return 0
}
