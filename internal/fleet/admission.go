package fleet

import (
	"errors"
	"slices"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/scarce"
)

// closed returns the reason of the first source of admission control that is closed; "" if none is.
func (s *Supervisor) closed() string {
	for _, a := range s.cfg.Admission {
		if why := a.Closed(); why != "" {
			return why
		}
	}
	return ""
}

// lackOf returns the place of a shortage that an error of the machine reports; "" if it reports none.
func lackOf(err error) event.Place {
	if scarce.Is(err) {
		return event.PlaceMachine
	}
	return ""
}

// doneIn is done for an action on a task's repository. A full or read-only disk is a shortage of the repository, and a
// remote that cannot be used is one of that remote; any other shortage is one of the whole machine.
func doneIn(err error) result {
	r := done(err)
	switch {
	case r.failure == nil:
	case scarce.OfDisk(err):
		r.failure.Lack = event.PlaceRepository
	case errors.Is(err, ErrRemote):
		r.failure.Lack = event.PlaceRemote
	}
	return r
}

// worked records that an action has worked or begun to work, so that its place has no shortage now.
func (d *decision) worked(id event.TaskID, kind event.ActionKind) {
	t, ok, err := d.tx.Task(id)
	if err != nil || !ok {
		return
	}
	switch kind {
	case event.ActStart:
		d.freed(t, event.PlaceMachine)
	case event.ActPublish:
		d.freed(t, event.PlaceRepository)
		if t.Spec.Remote != "" {
			d.freed(t, event.PlaceRemote)
		}
	case event.ActPrepare, event.ActCheck:
		d.freed(t, event.PlaceRepository)
	default: // it shows nothing about room
	}
}

func (d *decision) freed(t life.Task, kind event.Place) {
	d.roomy = append(d.roomy, t.At(kind))
}

// hurry retries postponed actions at once where that may help: everywhere if a person requested something, otherwise
// at the places where an action has just worked.
func (d *decision) hurry() error {
	if !d.asked && len(d.roomy) == 0 {
		return nil
	}
	var ids []event.TaskID
	for t := range d.tx.EachLive() {
		if t.AwaitsRoom() && (d.asked || slices.Contains(d.roomy, t.At(t.PutOff.Place))) {
			ids = append(ids, t.ID)
		}
	}
	return d.each(ids, life.Roomy{})
}
