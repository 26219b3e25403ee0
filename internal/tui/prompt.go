package tui

import (
	"strings"
	"time"
	"unicode"

	"muster/internal/text"

	"github.com/charmbracelet/x/ansi"
)

// prompt is a line that a person types.
type prompt struct {
	title string
	text  []rune
	at    int // the place of the cursor in text
	done  func(words string) []effect
	live  func(words string) // is told each change; may be nil
}

// confirmation waits for the second press of a key.
type confirmation struct {
	key   string
	title string
	until time.Time
	do    func() []effect
}

// confirmFor is how long the second press may take.
const confirmFor = 5 * time.Second

// key handles a key press. over is true when the prompt is closed.
func (p *prompt) key(k Key) (out []effect, over bool) {
	switch k.Name {
	case "enter":
		return p.done(string(p.text)), true
	case "esc", "ctrl+c":
		if p.live != nil {
			p.live("")
		}
		return nil, true
	case "backspace":
		if p.at > 0 {
			p.text = append(p.text[:p.at-1], p.text[p.at:]...)
			p.at--
		}
	case "delete":
		if p.at < len(p.text) {
			p.text = append(p.text[:p.at], p.text[p.at+1:]...)
		}
	case "left":
		p.at = max(0, p.at-1)
	case "right":
		p.at = min(len(p.text), p.at+1)
	case "home", "ctrl+a":
		p.at = 0
	case "end", "ctrl+e":
		p.at = len(p.text)
	case "ctrl+u":
		p.text, p.at = p.text[p.at:], 0
	case "ctrl+w":
		from := p.at
		for from > 0 && p.text[from-1] == ' ' {
			from--
		}
		for from > 0 && p.text[from-1] != ' ' {
			from--
		}
		p.text, p.at = append(p.text[:from], p.text[p.at:]...), from
	default:
		p.insert(k.Text)
		return nil, false
	}
	p.changed()
	return nil, false
}

// maxTyped is the most that is taken of typed or pasted text, in characters.
const maxTyped = 20_000

// insert puts text at the cursor.
func (p *prompt) insert(s string) {
	typed := []rune(text.Paste(s))
	if len(typed) == 0 || len(p.text)+len(typed) > maxTyped {
		return
	}
	p.text = append(p.text[:p.at], append(typed, p.text[p.at:]...)...)
	p.at += len(typed)
	p.changed()
}

func (p *prompt) changed() {
	if p.live != nil {
		p.live(string(p.text))
	}
}

// draw returns the prompt in one line, with its end in sight if it is longer.
func (p *prompt) draw(l Look, width int) string {
	show := func(rs []rune) string {
		return l.cells(strings.Map(func(r rune) rune {
			switch {
			case r == '\n':
				return '/'
			case unicode.IsControl(r):
				return ' '
			}
			return r
		}, string(rs)))
	}
	title := " " + l.field(p.title, 200) + " "
	before, after := show(p.text[:p.at]), show(p.text[p.at:])
	cursor := l.sign("▏", "|")
	room := width - ansi.StringWidth(title) - 2
	if over := ansi.StringWidth(before) - room; over > 0 {
		before = ansi.TruncateLeft(before, over+1, l.sign("…", "~"))
	}
	return l.fit(l.paint(bold, title)+before+cursor+after, width)
}
