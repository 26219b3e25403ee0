package daemon

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/life"
	"muster/internal/regular"
)

// seal gives a generation of a reviewer its secret, in a file that no other agent's fence grants, and returns the event with
// the secret's hash. Other tasks have none.
func (a agents) seal(t life.Task, gen int) ([]event.Payload, error) {
	if t.Spec.Review == nil {
		return nil, nil
	}
	secret := rand.Text()
	if err := os.WriteFile(a.sealPath(t, gen), []byte(secret), 0o600); err != nil {
		return nil, fault.Wrap(fault.Failed, err, "write the seal of %s", t.ID).WithHint("Check the free space of the disk.")
	}
	return []event.Payload{event.ReviewerSealed{Seal: event.SealOf(secret)}}, nil
}

func (a agents) sealPath(t life.Task, gen int) string {
	return filepath.Join(a.home.Gen(t.ID, gen).RO(), home.SealName)
}

// sealed returns the event of seal for a generation that was made ready before.
func (a agents) sealed(t life.Task, gen int) ([]event.Payload, error) {
	if t.Spec.Review == nil {
		return nil, nil
	}
	secret, err := regular.Read(a.sealPath(t, gen), maxNote)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fault.Wrap(fault.Failed, err, "read the seal of %s", t.ID)
	}
	return []event.Payload{event.ReviewerSealed{Seal: event.SealOf(string(secret))}}, nil
}
