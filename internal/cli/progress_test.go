package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// newTestProgress returns a progress that only a test draws, on a terminal of the given width.
func newTestProgress(width int, quiet bool) (*progress, *bytes.Buffer) {
	var out bytes.Buffer
	p := &progress{w: &out, terminal: func() int { return width }}
	p.begin(quiet)
	return p, &out
}

// set is say without a ticker.
func (p *progress) set(what string) { p.what = what }

func TestProgress_IsSparseWithoutATerminal(t *testing.T) {
	t.Parallel()
	p, out := newTestProgress(0, false)
	at := func(after time.Duration, what string) {
		p.set(what)
		p.draw(p.began.Add(after))
	}
	at(time.Second, "a") // too early
	at(3*time.Second, "a")
	at(4*time.Second, "b")  // too soon after the one before
	at(14*time.Second, "a") // said before
	at(15*time.Second, "b")
	at(26*time.Second, "c") // the second pause is longer
	at(36*time.Second, "c\x1b]0;x\a")
	p.end()
	if got, want := out.String(), "a\nb\nc\n"; got != want {
		t.Errorf("written %q, want %q", got, want)
	}
}

func TestProgress_WithJSONIsForTerminalsOnly(t *testing.T) {
	t.Parallel()
	for width, want := range map[int]bool{0: false, 80: true} {
		p, out := newTestProgress(width, true)
		p.set("a")
		p.draw(p.began.Add(time.Hour))
		if got := out.Len() > 0; got != want {
			t.Errorf("on a terminal of width %d: written %q", width, out)
		}
	}
}

func TestProgress_IsOneLineOfATerminal(t *testing.T) {
	t.Parallel()
	p, out := newTestProgress(30, false)
	p.reach(2, 9)
	p.set("waiting for something with a long name\nof two lines")
	p.draw(p.began.Add(4 * time.Second))
	p.draw(p.began.Add(5 * time.Second))
	p.print(p.w, "a warning\n")
	p.draw(p.began.Add(6 * time.Second))
	p.end()
	p.draw(p.began.Add(time.Hour))
	const line = "\r2 of 9: waiting for s… "
	want := line + "4s\x1b[K" + line + "5s\x1b[K\r\x1b[Ka warning\n" + line + "6s\x1b[K\r\x1b[K"
	if got := out.String(); got != want {
		t.Errorf("written\n%q, want\n%q", got, want)
	}
}

func TestProgress_ADumbTerminalGetsLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := newProgress(Env{Stderr: &out, Environ: []string{"TERM=dumb"}})
	p.begin(false)
	p.began = time.Now().Add(-time.Minute)
	p.say("a")
	for began := time.Now(); p.written() == "" && time.Since(began) < 20*time.Second; {
		<-time.After(redraw / 4)
	}
	p.end()
	p.say("b") // no verb runs any more
	if got := out.String(); !strings.HasPrefix(got, "a\n") || strings.Contains(got, "b") {
		t.Errorf("written %q", got)
	}
}

// written returns the last line.
func (p *progress) written() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}
