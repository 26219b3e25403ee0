package check

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// How long output waits for a terminal that takes none (its tmux server is stopped or stuck), and how long it is
// then left alone.
const (
	paneWait = 2 * time.Second
	paneRest = 5 * time.Second
)

// pane shows output to people and never holds up or fails whoever writes: what a dead or stuck terminal does not
// take is dropped.
type pane struct {
	w   io.Writer
	own *os.File // opened by us so that writes can have a deadline; nil if w is written to as it is

	mu   sync.Mutex // held over a write, so that lines stay whole; the wait for it is bounded by paneWait
	dead bool
	rest time.Time
}

// newPane takes any writer. A terminal or pipe is opened a second time: to change the mode of the one we were given
// would change it for everybody who has it.
func newPane(w io.Writer) *pane {
	p := &pane{w: w}
	f, ok := w.(*os.File)
	if !ok {
		return p
	}
	st, err := f.Stat()
	if err != nil || st.Mode()&(os.ModeCharDevice|os.ModeNamedPipe) == 0 {
		return p
	}
	if own, err := reopen(f); err == nil {
		p.own, p.w = own, own
	}
	return p
}

func (p *pane) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.dead || now.Before(p.rest) {
		return len(b), nil
	}
	if p.own != nil {
		_ = p.own.SetWriteDeadline(now.Add(paneWait)) // a device that knows no deadline does not block
	}
	_, err := p.w.Write(b)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.rest = time.Now().Add(paneRest)
	case err != nil:
		p.dead = true
	}
	return len(b), nil
}

func (p *pane) close() {
	if p.own != nil {
		_ = p.own.Close()
	}
}
