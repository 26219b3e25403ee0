package fleet

import (
	"slices"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/scarce"
)

// closed returns why a source of admission control keeps new work from starting; "" if none does.
func (s *Supervisor) closed() string {
	for _, a := range s.cfg.Admission {
		if why := a.Closed(); why != "" {
			return why
		}
	}
	return ""
}

// lackOf returns what an error of the machine's own edges says is short; "" if nothing.
func lackOf(err error) event.Place {
	if scarce.Is(err) {
		return event.PlaceMachine
	}
	return ""
}

// doneIn is done for an act on a task's repository. A disk that is full or cannot be written is the repository's own;
// what else is short the whole machine lacks.
func doneIn(err error, facts ...event.Payload) result {
	r := done(err, facts...)
	if r.failure != nil && scarce.OfDisk(err) {
		r.failure.Lack = event.PlaceRepository
	}
	return r
}

// worked notes that an action of a task has worked or begun to, and so that its place lacks nothing now.
func (d *decision) worked(id event.TaskID, kind event.ActionKind) {
	t, ok, err := d.tx.Task(id)
	if err != nil || !ok {
		return
	}
	switch kind {
	case event.ActStart:
		d.freed(t, event.PlaceMachine)
	case event.ActPrepare, event.ActCheck, event.ActPublish:
		d.freed(t, event.PlaceRepository)
	default: // it says nothing about room
	}
}

func (d *decision) freed(t life.Task, kind event.Place) {
	d.roomy = append(d.roomy, t.At(kind))
}

// hurry lets what was put off be tried again at once where that makes sense: anywhere if a person asked for something,
// else where something has just worked.
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
