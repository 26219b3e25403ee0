package tui

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"muster/internal/event"
	"muster/internal/text"
	"muster/internal/words"
)

// Look is how a terminal can be drawn on.
type Look struct {
	ASCII  bool // only ASCII characters
	Colour bool // with escape sequences for colours and weight
}

// style is the parameter of an SGR sequence.
type style string

const (
	bold    style = "1"
	dim     style = "2"
	inverse style = "7"
	red     style = "31"
	green   style = "32"
	yellow  style = "33"
	cyan    style = "36"
)

// paint returns s in a style. s must not have styles of its own.
func (l Look) paint(st style, s string) string {
	if !l.Colour || st == "" || s == "" {
		return s
	}
	return "\x1b[" + string(st) + "m" + s + "\x1b[0m"
}

// toneStyle returns the style of a tone.
func toneStyle(t words.Tone) style {
	switch t {
	case words.ToneWarn:
		return yellow
	case words.ToneBad:
		return red
	case words.ToneGood:
		return green
	case words.ToneDim:
		return dim
	case words.ToneBusy:
	}
	return cyan
}

// mark returns the sign of a state.
func (l Look) mark(s event.State) string {
	sign, ascii := words.Mark(s)
	if l.ASCII {
		return ascii
	}
	return sign
}

// sign returns the first text, or the second on a terminal that has only ASCII.
func (l Look) sign(wide, ascii string) string {
	if l.ASCII {
		return ascii
	}
	return wide
}

func (l Look) rule(width int) string {
	return l.paint(dim, strings.Repeat(l.sign("─", "-"), max(width, 0)))
}

// fit returns s in exactly width columns.
func (l Look) fit(s string, width int) string {
	if width <= 0 {
		return ""
	}
	n := ansi.StringWidth(s)
	if n > width {
		s = ansi.Truncate(s, width, l.sign("…", "~"))
		n = ansi.StringWidth(s)
	}
	return s + strings.Repeat(" ", max(0, width-n))
}

// field makes text of others safe for a part of a line.
func (l Look) field(s string, most int) string { return l.cells(text.Field(s, most)) }

// rows makes a text of others safe for several lines. Colours stay if the terminal has them.
func (l Look) rows(s string) []string {
	s = strings.ReplaceAll(text.Terminal(s, l.Colour), "\t", "    ")
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if line = l.cells(line); strings.Contains(line, "\x1b") {
			line += "\x1b[0m"
		}
		lines[i] = line
	}
	return lines
}

// Characters of which terminals disagree how wide they are: those that were added after Unicode 13, and clusters of several
// characters. A wrong width would move the borders.
var newEmoji = &unicode.RangeTable{R32: []unicode.Range32{{Lo: 0x1fa70, Hi: 0x1faff, Stride: 1}, {Lo: 0x1f6d8, Hi: 0x1f6df, Stride: 1}, {Lo: 0x1f6fd, Hi: 0x1f6ff, Stride: 1}}}

// cells returns a line in which every character has the same width on every terminal. Escape sequences of colours stay.
func (l Look) cells(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for s != "" {
		if s[0] == 0x1b {
			n := strings.IndexByte(s, 'm') + 1
			if n == 0 {
				return b.String()
			}
			b.WriteString(s[:n])
			s = s[n:]
			continue
		}
		cluster, _ := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
		if cluster == "" {
			cluster = s[:1]
		}
		s = s[len(cluster):]
		b.WriteString(l.cell(cluster))
	}
	return b.String()
}

// plain reports whether a line has only characters that need no look.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf || s[i] < ' ' {
			return false
		}
	}
	return true
}

// cell returns what is shown for one cluster.
func (l Look) cell(cluster string) string {
	first, n := utf8.DecodeRuneInString(cluster)
	switch {
	case l.ASCII && first >= utf8.RuneSelf:
		return strings.Repeat("?", max(1, ansi.StringWidth(cluster)))
	case first < ' ' || first == 0x7f:
		return "?"
	case first == utf8.RuneError || unicode.Is(newEmoji, first) || !unicode.IsGraphic(first) || unicode.Is(unicode.Mn, first):
		return "□"
	}
	for _, r := range cluster[n:] {
		if !unicode.Is(unicode.Mn, r) {
			return "□"
		}
	}
	return cluster
}

// wrap breaks a line of plain text at width columns. Nothing of it is lost, blanks included.
func wrap(s string, width int) []string {
	if width < 1 {
		return nil
	}
	return strings.Split(ansi.Hardwrap(s, width, true), "\n")
}
