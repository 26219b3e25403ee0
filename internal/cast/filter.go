package cast

import (
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"muster/internal/text"
)

// Filter lets through what draws on a terminal, and nothing else: no title, no clipboard, no link, no picture, no mode of the
// keyboard or the mouse, and nothing that a terminal answers, because its answer would be read as typed. It hands on no byte
// of its input: each sequence is taken apart, and what is allowed is written anew. A sequence may be spread over several events.
type Filter struct {
	parser *ansi.Parser
	out    []byte
}

// Restore ends what a filtered recording may have changed on a terminal.
const Restore = "\x1b[?1049l" + reset

// reset has the terminal as a program finds it, without its content.
const reset = "\x1b[0m\x1b[r\x1b[?6l\x1b[4l\x1b[?7h\x1b[?25h\x1b(B"

// NewFilter returns a filter for one recording.
func NewFilter() *Filter {
	f := &Filter{parser: ansi.NewParser()}
	f.parser.SetDataSize(1) // strings are dropped, so none is kept
	f.parser.SetHandler(ansi.Handler{Print: f.print, Execute: f.control, HandleCsi: f.csi, HandleEsc: f.esc})
	return f
}

// Event filters one event, whose data may be empty then.
func (f *Filter) Event(e Event) Event {
	switch e.Kind {
	case Output:
		e.Data = f.Output(e.Data)
	case Resize:
		if s, ok := ParseSize(e.Data); ok {
			e.Data = s.String()
		} else {
			e.Data = ""
		}
	case Mark:
		e.Data = text.Line(e.Data, 200)
	default:
		e.Data = "" // what was typed is not recorded
	}
	return e
}

// Output filters a piece of output.
func (f *Filter) Output(s string) string {
	f.out = f.out[:0]
	for _, b := range []byte(strings.ToValidUTF8(s, "\uFFFD")) {
		f.parser.Advance(b)
	}
	return string(f.out)
}

func (f *Filter) print(r rune) {
	if !text.Hidden(r) {
		f.out = append(f.out, string(r)...)
	}
}

func (f *Filter) control(b byte) {
	switch b {
	case '\b', '\t', '\n', '\r':
		f.out = append(f.out, b)
	case '\v', '\f':
		f.out = append(f.out, '\n')
	}
}

func (f *Filter) esc(cmd ansi.Cmd) {
	switch final, between := cmd.Final(), cmd.Intermediate(); {
	case between == '(' && (final == 'B' || final == '0'): // letters, or lines
		f.out = append(f.out, 0x1b, '(', final)
	case between != 0:
	case final == 'c': // the reset of the whole terminal, also of what is not the recording's
		f.out = append(f.out, reset+"\x1b[2J\x1b[H"...)
	case strings.IndexByte("78DEM", final) >= 0: // the cursor saved, put back, moved with scrolling
		f.out = append(f.out, 0x1b, final)
	}
}

// mostCells bounds the numbers of a sequence. No terminal is larger, and an emulator works as often as a number says.
const mostCells = most

func (f *Filter) csi(cmd ansi.Cmd, params ansi.Params) {
	if cmd.Intermediate() != 0 || len(params) > 32 {
		return
	}
	final := cmd.Final()
	switch cmd.Prefix() {
	case 0:
	case '?':
		f.mode(final, params)
		return
	default:
		return
	}
	first, _, _ := params.Param(0, 0)
	switch {
	case final == 'm':
	case strings.IndexByte("ABCDEFGLMPSTXZ@IabdeK`", final) >= 0 && len(params) <= 1:
	case strings.IndexByte("Hfr", final) >= 0 && len(params) <= 2:
	case (final == 's' || final == 'u') && len(params) == 0:
	case final == 'J' && len(params) <= 1 && first <= 2: // 3 is the history of the person's terminal
	case (final == 'h' || final == 'l') && len(params) == 1 && first == 4:
	default:
		return
	}
	f.sequence(params, final)
}

// mode lets modes through that concern drawing and that Restore ends.
func (f *Filter) mode(final byte, params ansi.Params) {
	if final != 'h' && final != 'l' {
		return
	}
	for i := range params {
		switch n, _, _ := params.Param(i, 0); n {
		case 47, 1047, 1049:
			f.out = append(f.out, "\x1b[?1049"...)
			f.out = append(f.out, final)
		case 6, 7, 25:
			f.out = append(f.out, "\x1b[?"...)
			f.out = strconv.AppendInt(f.out, int64(n), 10)
			f.out = append(f.out, final)
		}
	}
}

// sequence writes a control sequence anew.
func (f *Filter) sequence(params ansi.Params, final byte) {
	f.out = append(f.out, "\x1b["...)
	for i := range params {
		n, more, _ := params.Param(i, -1)
		if n >= 0 {
			f.out = strconv.AppendInt(f.out, int64(min(n, mostCells)), 10)
		}
		switch {
		case i == len(params)-1:
		case more:
			f.out = append(f.out, ':')
		default:
			f.out = append(f.out, ';')
		}
	}
	f.out = append(f.out, final)
}
