package status

import (
	"strings"
	"unicode/utf8"
)

// Clean returns what a terminal, a log or another agent may see of a foreign text: no control characters
// (tabs and line ends become blanks), no colour sequences, none of the characters that reorder or hide text,
// valid UTF-8, and at most max runes.
func Clean(s string, max int) string {
	if isPlain(s) && len(s) <= max {
		return s
	}
	var b strings.Builder
	b.Grow(min(len(s), 4*max))
	for n := 0; s != "" && n < max; {
		if skip := colourSequence(s); skip > 0 {
			s = s[skip:]
			continue
		}
		r, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		switch {
		case r == '\t' || r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029':
			b.WriteByte(' ')
		case isHidden(r):
			continue
		default:
			b.WriteRune(r)
		}
		n++
	}
	return b.String()
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// colourSequence is the length of the CSI sequence that s begins with, 0 if none. Taking it away whole keeps
// its parameters from being left behind as text.
func colourSequence(s string) int {
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	for i := 2; i < len(s) && i < 40; i++ {
		if s[i] >= 0x40 && s[i] <= 0x7e {
			return i + 1
		}
		if s[i] < 0x20 || s[i] > 0x3f {
			return 0
		}
	}
	return 0
}

// isHidden reports whether a character acts on a terminal, or hides or reorders text.
func isHidden(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r <= 0x9f: // C0, DEL, C1
	case r == 0x061c, r == 0x200e, r == 0x200f: // direction marks
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // direction overrides and isolates
	case r >= 0xfff9 && r <= 0xfffb, r == 0xfeff: // annotations, byte order mark
	case r >= 0xe0000 && r <= 0xe007f: // invisible tag characters
	default:
		return false
	}
	return true
}
