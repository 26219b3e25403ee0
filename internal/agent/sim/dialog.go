package sim

import (
	"sync"

	"muster/internal/mail"
)

// dialog is an open question, which an Enter answers with its first option, as in real agents.
type dialog struct {
	mu  sync.Mutex
	ask chan mail.Answer // nil is none
}

// key answers the open question by Enter and drops anything else; false if none is open.
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
