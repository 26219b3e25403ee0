package check

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// How long a write waits for a terminal that accepts nothing, because its tmux server is stopped or stuck, and how
// long nothing is written to it after that.
const (
	paneWait = 2 * time.Second
	paneRest = 5 * time.Second
)

// pane shows output to people. It never blocks or fails its writer: what a dead or stuck terminal does not accept is
// dropped.
type pane struct {
	w   io.Writer
	own *os.File // opened by newPane, so that writes can have a deadline; nil if w is used as it is

	mu   sync.Mutex // held during a write, so that lines stay whole; paneWait bounds the wait for it
	dead bool
	rest time.Time
}

// newPane takes any writer. A terminal or pipe is opened a second time, because changing the mode of the given one
// would change it for every process that has it.
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
		_ = p.own.SetWriteDeadline(now.Add(paneWait)) // a device without deadlines does not block
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
