package tui

import (
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"muster/internal/control"
)

// played returns a player of events on a terminal of 40x6, and the time at which it began.
func played(t *testing.T, idle time.Duration, all ...control.ScreenEvent) (*Player, time.Time) {
	t.Helper()
	began := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
	events := func(yield func(control.ScreenEvent, error) bool) {
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
	r := control.Recording{Task: "t3", Gen: 2, Began: began, Ended: began.Add(time.Hour), Columns: 40, Rows: 5}
	p := NewPlayer(r, iter.Seq2[control.ScreenEvent, error](events), Look{Colour: true}, idle, 1)
	t.Cleanup(p.Close)
	p.update(Size{40, 6}, began)
	p.update(tick{}, began)
	return p, began
}

func out(at time.Duration, s string) control.ScreenEvent {
	return control.ScreenEvent{At: at, Kind: control.ScreenOutput, Data: s}
}

// shown returns the frame as text.
func shown(p *Player) string { return ansi.Strip(strings.Join(p.Frame(), "\n")) }

func TestPlayerKeepsTheTimeAndCutsPauses(t *testing.T) {
	t.Parallel()
	p, now := played(t, 2*time.Second, out(time.Second, "one\r\n"), out(time.Hour, "two\r\n"), out(time.Hour+10*time.Second, "three"))
	shows := func(after time.Duration, want ...string) {
		t.Helper()
		now = now.Add(after)
		p.update(tick{}, now)
		for i, word := range []string{"one", "two", "three"} {
			if has := strings.Contains(shown(p), word); has != (i < len(want)) {
				t.Errorf("%s later the frame has %q: %v\n%s", after, word, has, shown(p))
			}
		}
	}
	shows(900 * time.Millisecond)
	shows(200*time.Millisecond, "one")
	shows(1800*time.Millisecond, "one")
	shows(300*time.Millisecond, "one", "two") // an hour was cut to two seconds
	p.update(Key{Name: "space"}, now)
	shows(time.Hour, "one", "two") // paused
	p.update(Key{Name: "space"}, now)
	shows(time.Second, "one", "two")
	p.update(Key{Name: "+"}, now)
	p.update(Key{Name: "+"}, now)
	shows(600*time.Millisecond, "one", "two", "three") // four times as fast
	shows(time.Second, "one", "two", "three")
	if !strings.Contains(shown(p), " over ") {
		t.Errorf("it is not over:\n%s", shown(p))
	}
	if !p.update(Key{Name: "q"}, now) || !p.update(Key{Name: "ctrl+c"}, now) {
		t.Error("a key does not leave")
	}
}

func TestPlayerGoesAheadByAKey(t *testing.T) {
	t.Parallel()
	p, now := played(t, 0, out(20*time.Second, "soon"), out(50*time.Second, "later"))
	p.update(Key{Name: "right"}, now)
	if got := shown(p); !strings.Contains(got, "soon") || strings.Contains(got, "later") {
		t.Errorf("30 seconds ahead it shows\n%s", got)
	}
}

func TestPlayerShowsCellsAndNoSequence(t *testing.T) {
	t.Parallel()
	// What a filter should have dropped, and sequences that draw anywhere with numbers that are too large.
	hostile := "\x1b]0;title\x07\x1b]52;c;eA==\x07\x1b[6n\x1b[c\x1b[?1000h\x1b[?2004h\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x1b[999;999Hx\x1b[999b\x1b[1000L\x1b[1000@\x1b[1000;1r\x1b[0;0r\x1b[?6h\x1b[999B" +
		"\x1b[1000S\x1b[1000T\x1b[1000P\x1b[1000X\x1b[1000M\x1b[?1049h\x1b[2J\x1b[?1049l\x1b7\x1b8\x1bM\x1bD\x1b(0qqq\x1b(B\x1b[1000Z\x1b[1000I\x1b[38;5;999;48;2;999;1;1m\u009b6n漢🙂e\u0301"
	p, now := played(t, 0)
	for i := range len(hostile) { // also in pieces, and with sizes in between
		p.draw(out(0, hostile[i:]))
		p.draw(control.ScreenEvent{Kind: control.ScreenSize, Data: fmt.Sprintf("%dx%d", 1+i%90, 1+i%7)})
	}
	p.draw(control.ScreenEvent{Kind: control.ScreenSize, Data: "40x5"})
	p.draw(out(0, "\x18\x1b[0m\x1b[r\x1b[2J\x1b[H\x1b[31mstill drawn\x1b[0m"))
	p.update(tick{}, now)
	if got := shown(p); !strings.Contains(got, "still drawn") {
		t.Errorf("after that it shows\n%s", got)
	}
	for _, size := range []Size{{40, 6}, {5, 2}, {1, 1}, {0, 0}, {200, 60}} {
		p.update(size, now)
		frame := p.Frame()
		if len(frame) > size.Height {
			t.Errorf("%d lines on a terminal with %d", len(frame), size.Height)
		}
		for _, l := range frame {
			for i, r := range l {
				if r == 0x1b && !colourAt(l[i:]) || r < ' ' && r != 0x1b || r >= 0x7f && r < 0xa0 {
					t.Errorf("a line has more than colours: %q", l)
				}
			}
			if ansi.StringWidth(l) > size.Width {
				t.Errorf("a line is wider than %d: %q", size.Width, l)
			}
		}
	}
}

// colourAt reports whether a text begins with a sequence that sets colours.
func colourAt(s string) bool {
	end := strings.IndexFunc(s[2:], func(r rune) bool { return r != ';' && r != ':' && (r < '0' || r > '9') })
	return strings.HasPrefix(s, "\x1b[") && end >= 0 && s[2+end] == 'm'
}

func TestPlayerSaysWhatIsMissingAndShowsThePartWithTheCursor(t *testing.T) {
	t.Parallel()
	p, now := played(t, 0,
		control.ScreenEvent{Kind: control.ScreenSize, Data: "80x20"}, out(0, "top\x1b[18;1Hbottom"),
		control.ScreenEvent{Kind: control.ScreenMark, Data: "muster: 12 bytes were not recorded"},
	)
	p.update(Size{100, 6}, now)
	if got := shown(p); !strings.Contains(got, "bottom") || strings.Contains(got, "top") || !strings.Contains(got, "a part of 80x20") || !strings.Contains(got, "12 bytes were not recorded") {
		t.Errorf("it shows\n%s", got)
	}
}
