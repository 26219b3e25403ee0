package words

import (
	"fmt"

	"muster/internal/event"
	"muster/internal/life"
)

// Race describes the race of a task: against which others, and how it ended; "" if it is in none.
func Race(t life.Task) string {
	r := t.Spec.Race
	if r == nil {
		return ""
	}
	text := fmt.Sprintf("%d of %d, against %s", r.Place(t.ID), len(r.Tasks), TaskIDs(r.Others(t.ID)))
	switch {
	case t.AwaitsRace():
		return text + "; it passed, and waits for them"
	case t.Race == nil:
		return text
	}
	return text + "; " + raceEnd(t.ID, *t.Race)
}

// raceEnd describes the end of a race to one of its tasks.
func raceEnd(id event.TaskID, p event.RaceDecided) string {
	if p.Winner == id {
		return "it has won: " + p.Why
	}
	return string(p.Winner) + " has won: " + p.Why
}
