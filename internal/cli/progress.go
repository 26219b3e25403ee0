package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"
)

// Times of progress.
const (
	// silence is how long a verb may take before it says what it waits for.
	silence = 2 * time.Second
	// redraw is the pause between two looks at what is to be shown.
	redraw = 200 * time.Millisecond
	// firstRest is the pause after the first line where standard error is no terminal. Each pause is twice as long as
	// the one before, up to longestRest.
	firstRest   = 10 * time.Second
	longestRest = 5 * time.Minute
)

// progress tells a person on standard error what a slow verb waits for. On a terminal it is one line, which is
// rewritten and vanishes at the end. Elsewhere lines are written sparsely, none of them twice, and none with --json.
// Verbs that end within silence write nothing. A nil progress says nothing.
type progress struct {
	w        io.Writer
	terminal func() int // the number of columns of the terminal; 0 if w is none

	mu    sync.Mutex
	began time.Time // zero while no verb runs that has progress
	mute  bool
	what  string // is waited for
	part  string // which one of several tasks the verb is at
	shown bool   // the terminal shows the line now
	last  string // was written without a terminal
	at    time.Time
	rest  time.Duration
	done  chan struct{} // ends the ticker
	gone  chan struct{} // the ticker has ended
}

// newProgress returns the progress of the verbs of one call, which writes to its standard error.
func newProgress(env Env) *progress {
	return &progress{w: env.Stderr, terminal: func() int {
		if f, ok := env.Stderr.(*os.File); ok && env.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd())) {
			if w, _, err := term.GetSize(int(f.Fd())); err == nil {
				return w
			}
		}
		return 0
	}}
}

// begin starts the clock of a verb. With quiet nothing is said unless standard error is a terminal.
func (p *progress) begin(quiet bool) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began, p.mute, p.rest = time.Now(), quiet && p.terminal() == 0, firstRest
}

// end removes the line. Nothing is said afterwards.
func (p *progress) end() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.clear()
	p.began = time.Time{}
	done, gone := p.done, p.gone
	p.done = nil
	p.mu.Unlock()
	if done != nil {
		close(done)
		<-gone
	}
}

// say replaces what the verb waits for. It may be called often and from several goroutines.
func (p *progress) say(what string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.began.IsZero() || p.mute {
		return
	}
	p.what = what
	if p.done == nil {
		p.done, p.gone = make(chan struct{}), make(chan struct{})
		go p.tick(p.done, p.gone)
	}
}

// reach tells that the verb is at one of several tasks. The count stands before all that is said from then on.
func (p *progress) reach(n, of int) {
	if p == nil || of < 2 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.part = fmt.Sprintf("%d of %d: ", n, of)
}

// print writes lines of another kind, such as a warning. The line of progress makes room for them.
func (p *progress) print(w io.Writer, lines string) {
	if p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.clear()
	}
	_, _ = io.WriteString(w, lines)
}

func (p *progress) tick(done, gone chan struct{}) {
	defer close(gone)
	ticker := time.NewTicker(redraw)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			p.draw(time.Now())
		}
	}
}

// draw shows what is waited for, if the time for that has come.
func (p *progress) draw(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	took := now.Sub(p.began)
	if p.began.IsZero() || p.mute || p.what == "" || took < silence {
		return
	}
	what := p.part + clean(p.what, 400)
	if width := p.terminal(); width > 0 {
		line := ansi.Truncate(what, max(width-8, 1), "…") + " " + took.Truncate(time.Second).String()
		_, _ = io.WriteString(p.w, "\r"+ansi.Truncate(line, width-1, "…")+"\x1b[K")
		p.shown = true
		return
	}
	if what == p.last || !p.at.IsZero() && now.Sub(p.at) < p.rest {
		return
	}
	if !p.at.IsZero() {
		p.rest = min(2*p.rest, longestRest)
	}
	p.last, p.at = what, now
	_, _ = fmt.Fprintln(p.w, what)
}

// clear removes the line from the terminal. p.mu is held.
func (p *progress) clear() {
	if p.shown {
		p.shown = false
		_, _ = io.WriteString(p.w, "\r\x1b[K")
	}
}
