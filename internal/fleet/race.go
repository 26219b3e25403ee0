package fleet

import (
	"muster/internal/event"
	"muster/internal/life"
)

// race decides the race of a task if it can be decided now, in the transaction of the decision after which it can. So a supervisor
// that dies never leaves a race half decided.
func (d *decision) race(of event.Race) error {
	var all []life.Task
	for _, id := range of.Tasks {
		t, ok, err := d.tx.Task(id)
		if err != nil {
			return err
		}
		if ok {
			all = append(all, t)
		}
	}
	decided, over := life.DecideRace(all)
	if !over {
		return nil
	}
	for _, t := range all {
		if t.Race == nil && !t.State.Final() {
			if err := d.decide(t.ID, life.Raced{RaceDecided: decided}); err != nil {
				return err
			}
		}
	}
	return nil
}
