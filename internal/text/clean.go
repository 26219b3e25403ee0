package text

import (
	"strings"
	"unicode/utf8"
)

// Clean removes what could steer a terminal or deceive a reader: escape sequences, control characters but newline
// and tab, direction overrides and invisible characters. Invalid UTF-8 becomes U+FFFD. A carriage return within a
// line discards the line so far, as a progress bar means it; CR LF is a newline.
func Clean(s string) string {
	if isPlain(s) {
		return s
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	out := make([]byte, 0, len(s))
	line := 0 // where the current line starts in out
	scan(s, func(r rune) {
		switch {
		case r == '\r':
			out = out[:line]
		case r == '\n' || r == '\t' || !Hidden(r):
			out = utf8.AppendRune(out, r)
			if r == '\n' {
				line = len(out)
			}
		}
	})
	return string(out)
}

// Paste is Clean for a text that is typed into a terminal: a carriage return is a newline.
func Paste(s string) string {
	return Clean(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s))
}

// Field is Clean for one field of a record: tabs and line ends become blanks, and of the rest at most limit characters stay.
func Field(s string, limit int) string {
	if isPlain(s) && len(s) <= limit {
		return s
	}
	var b strings.Builder
	b.Grow(min(len(s), 4*limit))
	n := 0
	scan(s, func(r rune) {
		switch {
		case n >= limit:
			return
		case isLineEnd(r) || r == '\t':
			b.WriteByte(' ')
		case Hidden(r):
			return
		default:
			b.WriteRune(r)
		}
		n++
	})
	return b.String()
}

// Line is Clean for lists and notes: one line of at most limit bytes, with single blanks between its words.
func Line(s string, limit int) string {
	return Cut(strings.Join(strings.Fields(Clean(s)), " "), limit)
}

// Cut shortens a text to at most limit bytes, never within a character. The last character is … if it was shortened.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const dots = "…"
	end := limit - len(dots)
	if end <= 0 {
		return ""
	}
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + dots
}

// scan calls each for every character of s outside escape sequences, with U+FFFD for an invalid byte.
func scan(s string, each func(r rune)) {
	for s != "" {
		if s[0] == 0x1b {
			s = s[escape(s):]
			continue
		}
		r, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		each(r)
	}
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func isLineEnd(r rune) bool { return r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029' }

// Hidden reports whether a character acts on a terminal, or hides or reorders what people read.
func Hidden(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r <= 0x9f: // C0, DEL, C1
	case r == 0x061c, r == 0x200e, r == 0x200f: // direction marks
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // direction overrides and isolates
	case r >= 0xfff9 && r <= 0xfffb, r == 0xfeff: // annotations, byte order mark
	case r >= 0xe0000 && r <= 0xe007f: // tag characters
	default:
		return false
	}
	return true
}

// escape returns the length of the escape sequence at the start of s, which is an ESC.
func escape(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	switch s[1] {
	case '[': // a control sequence ends with a byte from @ to ~
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return i + 1
			}
			if s[i] < 0x20 {
				return i
			}
		}
		return len(s)
	case ']', 'P', '^', '_', 'X': // a string ends with BEL or ESC \; one without an end must not swallow the next line
		for i := 2; i < len(s) && s[i] != '\n'; i++ {
			if s[i] == 0x07 {
				return i + 1
			}
			if s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\' {
				return i + 2
			}
		}
	}
	switch {
	case s[1] < 0x20 || s[1] > 0x7e:
		return 1 // not a sequence: the next byte is a character of its own
	case s[1] >= 0x20 && s[1] <= 0x2f && len(s) > 2 && s[2] >= 0x30 && s[2] <= 0x7e:
		return 3 // an intermediate byte, as in the selection of a character set
	}
	return 2
}
