package web

import (
	"fmt"
	"strconv"
	"strings"

	"muster/internal/text"
)

// pen is how the next characters of a terminal look. Colours are those of the palette of 256, from 0; -1 is the terminal's own.
type pen struct {
	fore, back                            int
	bold, dim, italic, underline, inverse bool
}

// plainPen is the pen of a terminal that was not told anything.
func plainPen() pen { return pen{fore: -1, back: -1} }

// class returns the class of a colour of the palette.
func class(prefix string, n int) string { return prefix + strconv.Itoa(n) }

// classes returns the classes of a pen. The policy forbids styles in a page.
func (p pen) classes() string {
	fore, back := p.fore, p.back
	var all []string
	if p.inverse {
		fore, back = back, fore
		all = append(all, "inv")
	}
	if fore >= 0 {
		all = append(all, class("f", fore))
	}
	if back >= 0 {
		all = append(all, class("k", back))
	}
	for _, s := range []struct {
		set  bool
		name string
	}{{p.bold, "b"}, {p.dim, "d"}, {p.italic, "i"}, {p.underline, "u"}} {
		if s.set {
			all = append(all, s.name)
		}
	}
	return strings.Join(all, " ")
}

// terminal adds the rows of a terminal, with their colours as classes. What else they would tell a terminal is removed.
func (d *doc) terminal(rows string) {
	rows = text.Terminal(rows, true)
	p := plainPen()
	for rows != "" {
		i := strings.IndexByte(rows, 0x1b)
		if i < 0 {
			i = len(rows)
		}
		if i > 0 {
			if names := p.classes(); names != "" {
				d.el("span", rows[:i], "class", names)
			} else {
				d.text(rows[:i])
			}
			rows = rows[i:]
			continue
		}
		end := strings.IndexByte(rows, 'm')
		if !strings.HasPrefix(rows, "\x1b[") || end < 0 { // text.Terminal leaves colours only
			rows = rows[1:]
			continue
		}
		p.set(rows[2:end])
		rows = rows[end+1:]
	}
}

// set changes a pen by the parameters of an escape sequence.
func (p *pen) set(params string) {
	var all []int
	for f := range strings.FieldsFuncSeq(params, func(r rune) bool { return r == ';' || r == ':' }) {
		n, err := strconv.Atoi(f)
		if err != nil {
			return
		}
		all = append(all, n)
	}
	if len(all) == 0 {
		*p = plainPen()
		return
	}
	for i := 0; i < len(all); i++ {
		switch n := all[i]; {
		case n == 0:
			*p = plainPen()
		case n == 1:
			p.bold = true
		case n == 2:
			p.dim = true
		case n == 3:
			p.italic = true
		case n == 4:
			p.underline = true
		case n == 7:
			p.inverse = true
		case n == 22:
			p.bold, p.dim = false, false
		case n == 23:
			p.italic = false
		case n == 24:
			p.underline = false
		case n == 27:
			p.inverse = false
		case n >= 30 && n <= 37:
			p.fore = n - 30
		case n == 39:
			p.fore = -1
		case n >= 40 && n <= 47:
			p.back = n - 40
		case n == 49:
			p.back = -1
		case n >= 90 && n <= 97:
			p.fore = n - 90 + 8
		case n >= 100 && n <= 107:
			p.back = n - 100 + 8
		case n == 38 || n == 48:
			colour, used := extended(all[i+1:])
			i += used
			if colour >= 0 && n == 38 {
				p.fore = colour
			} else if colour >= 0 {
				p.back = colour
			}
		}
	}
}

// extended reads a colour of 256, or of 16 million, of which it returns the nearest of 256.
func extended(rest []int) (colour, used int) {
	switch {
	case len(rest) >= 2 && rest[0] == 5:
		if rest[1] < 0 || rest[1] > 255 {
			return -1, 2
		}
		return rest[1], 2
	case len(rest) >= 4 && rest[0] == 2:
		step := func(n int) int { return (min(max(n, 0), 255)*5 + 127) / 255 }
		return 16 + 36*step(rest[1]) + 6*step(rest[2]) + step(rest[3]), 4
	}
	return -1, len(rest)
}

// base are the first sixteen colours, which are readable on a dark ground.
var base = [16]string{
	"#6b7280", "#f87171", "#4ade80", "#facc15", "#60a5fa", "#e879f9", "#22d3ee", "#e5e7eb",
	"#9ca3af", "#fca5a5", "#86efac", "#fde047", "#93c5fd", "#f0abfc", "#67e8f9", "#ffffff",
}

// palette returns the style sheet of a terminal's colours.
func palette() []byte {
	var b strings.Builder
	for i := range 256 {
		colour := ""
		switch {
		case i < 16:
			colour = base[i]
		case i < 232:
			level := func(n int) int {
				if n == 0 {
					return 0
				}
				return 55 + 40*n
			}
			n := i - 16
			colour = fmt.Sprintf("#%02x%02x%02x", level(n/36), level(n/6%6), level(n%6))
		default:
			grey := 8 + 10*(i-232)
			colour = fmt.Sprintf("#%02x%02x%02x", grey, grey, grey)
		}
		fmt.Fprintf(&b, ".screen .f%d{color:%s}.screen .k%d{background:%s}\n", i, colour, i, colour)
	}
	return []byte(b.String())
}
