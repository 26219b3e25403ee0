package excerpt

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Shares of the limit: a compiler says the cause first, a test runner sums up last, and what lies between is
// worth it only where it names a place in the source.
const (
	headShare  = 4   // a quarter
	placeShare = 4   // a quarter
	maxLine    = 400 // bytes of one line that are kept: minified sources say nothing after that
)

// place finds lines that name a place in the source, as compilers, linters and test runners write them:
// file:line:column, file(line,column), "file", line N; and the usual words of a failure.
var place = regexp.MustCompile(`^\s*(\S*[\w)\]]\.\w+:\d+(:\d+)?\b|\S*\.\w+\(\d+,\d+\)|File ".*", line \d+|-->? \S+:\d+)|` +
	`(?i:\b(error|fail(ed|ure)?|panic|fatal|exception|undefined|assert\w*)\b)`)

// Useful is the part of an output that helps to mend what failed, of at most limit bytes: all of it where it
// fits, else its head, the lines in between that name a place in the source, and its tail, with a mark where
// lines were left out. Control characters and escape sequences are gone; line ends are plain newlines.
func Useful(output []byte, limit int) string {
	text := strings.TrimRight(Clean(string(output)), "\n \t")
	text = strings.TrimLeft(text, "\n")
	if len(text) <= limit {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = Cut(l, maxLine)
	}
	const marks = 160 // room for the marks of what was left out
	room := limit - marks
	if room < marks {
		return Cut(text, limit)
	}
	head := fit(lines, room/headShare)
	tail := fitTail(lines[head:], room/2)
	middle := lines[head : len(lines)-tail]
	var b strings.Builder
	writeLines(&b, lines[:head])
	writePlaces(&b, middle, room/placeShare)
	writeLines(&b, lines[len(lines)-tail:])
	return Cut(strings.TrimRight(b.String(), "\n"), limit)
}

// fit is how many of the first lines fit into room bytes.
func fit(lines []string, room int) int {
	for i, l := range lines {
		room -= len(l) + 1
		if room < 0 {
			return i
		}
	}
	return len(lines)
}

// fitTail is how many of the last lines fit into room bytes.
func fitTail(lines []string, room int) int {
	for i := range lines {
		room -= len(lines[len(lines)-1-i]) + 1
		if room < 0 {
			return i
		}
	}
	return len(lines)
}

// writePlaces writes those lines that name a place, each run of others being one mark at the end.
func writePlaces(b *strings.Builder, lines []string, room int) {
	left, kept := 0, 0
	for _, l := range lines {
		if !place.MatchString(l) || len(l)+1 > room {
			left++
			continue
		}
		if kept == 0 {
			b.WriteString("[… lines left out; of them these name a place or a failure:]\n")
		}
		kept++
		room -= len(l) + 1
		b.WriteString(l)
		b.WriteByte('\n')
	}
	if left > 0 {
		fmt.Fprintf(b, "[… %d lines left out]\n", left)
	}
}

func writeLines(b *strings.Builder, lines []string) {
	for _, l := range lines {
		b.WriteString(l)
		b.WriteByte('\n')
	}
}

// Cut shortens a text to at most limit bytes, never within a character, with … where something went.
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

// Line makes of any text one clean line of at most limit bytes, for lists and notes.
func Line(s string, limit int) string {
	return Cut(strings.Join(strings.Fields(Clean(s)), " "), limit)
}

// Clean strips escape sequences and every control character but newline and tab, and mends broken UTF-8.
// A carriage return within a line, as a progress bar writes it, starts that line anew.
func Clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.ReplaceAll(s, "\r\n", "\n")
	out := make([]byte, 0, len(s))
	line := 0 // where the line being written begins
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == 0x1b:
			i += escape(s[i:])
			continue
		case r == '\r':
			out = out[:line]
		case r == '\n' || r == '\t' || r >= 0x20 && r != 0x7f && (r < 0x80 || r > 0x9f):
			out = append(out, s[i:i+n]...)
			if r == '\n' {
				line = len(out)
			}
		}
		i += n
	}
	return string(out)
}

// escape is the length of the escape sequence that s begins with.
func escape(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	switch s[1] {
	case '[': // a control sequence ends with a byte of @ to ~
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return i + 1
			}
			if s[i] < 0x20 {
				return i
			}
		}
		return len(s)
	case ']', 'P', '^', '_', 'X': // a string ends with BEL or ESC \; one that never ends must not eat the rest
		for i := 2; i < len(s) && s[i] != '\n'; i++ {
			if s[i] == 0x07 {
				return i + 1
			}
			if s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\' {
				return i + 2
			}
		}
	}
	if s[1] < 0x20 || s[1] > 0x7e {
		return 1 // no sequence: what follows is a character of its own
	}
	return 2
}
