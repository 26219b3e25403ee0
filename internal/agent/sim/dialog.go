package sim

import (
	"sync"

	"muster/internal/mail"
)

// dialog is an open question. As in real agents, Enter answers it with the first option.
type dialog struct {
	mu  sync.Mutex
	ask chan mail.Answer // nil is none
}

// key answers the open question by Enter and drops any other key. It returns false if no question is open.
func (d *dialog) key(k key) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ask == nil {
		return false
	}
	if k.kind == keyEnter {
		select {
		case d.ask <- mail.Answer{Decision: mail.Allow}:
		default: // it was answered already
		}
	}
	return true
}

func (d *dialog) open(ask chan mail.Answer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ask = ask
}
