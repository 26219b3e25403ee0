package life

import (
	"fmt"
	"slices"
	"strings"

	"muster/internal/event"
)

// A race is several tasks with one order, each with an agent, a worktree and a budget of its own. What passes its checks and
// reviews waits in InReview, without an agent and a slot, until no other racer can still pass. Then the smallest change is
// published, and the others are stopped as a person would stop them, which keeps their work.

// Raced is an input of Decide: the race of the task is decided. It may come any number of times.
type Raced struct{ event.RaceDecided }

func (Raced) input() {}

// AwaitsRace reports whether the work of a task passed, and waits for the other racers.
func (t *Task) AwaitsRace() bool {
	return t.Spec.Race != nil && t.Race == nil && t.State == event.InReview && t.Published == nil
}

// lost reports whether another task of the race is published.
func (t *Task) lost() bool { return t.Race != nil && t.Race.Winner != t.ID }

// DecideRace decides a race of these tasks; false while one of them may still pass, or if none has. A parked racer waits for a
// person, who is not waited for: it is out of the race once another one has passed.
func DecideRace(all []Task) (d event.RaceDecided, decided bool) {
	var passed []*Task
	for i := range all {
		switch t := &all[i]; {
		case t.Race != nil:
			return *t.Race, true
		case t.State.Final(), t.Removed, t.State == event.Parked && !t.Stopping:
		case t.AwaitsRace() && !t.Stopping && len(t.Open) == 0 && t.Rounds.Last != nil:
			passed = append(passed, t)
		default:
			return d, false
		}
	}
	if len(passed) == 0 {
		return d, false
	}
	best := slices.MinFunc(passed, func(a, b *Task) int { return a.Rounds.Last.Size - b.Rounds.Last.Size }) // the first of equals
	d.Winner, d.Why = best.ID, "it alone has passed"
	if len(passed) > 1 {
		sizes := make([]string, len(passed))
		for i, t := range passed {
			sizes[i] = fmt.Sprintf("%s %d", t.ID, t.Rounds.Last.Size)
		}
		d.Why = "its change is the smallest of those that passed (lines: " + strings.Join(sizes, ", ") + ")"
	}
	return d, true
}

// race lets work that passed wait for the other racers. It reports whether the work goes no further now.
func (s *step) race() bool {
	if s.t.Spec.Race == nil || s.t.Race != nil {
		return false
	}
	s.awaitOthers(ruleRaceWaits, "it passed, and waits for "+list(s.t.Spec.Race.Others(s.t.ID)))
	return true
}

// raced handles the end of the race.
func (s *step) raced(in Raced) {
	wins := in.Winner == s.t.ID
	if s.t.Spec.Race == nil || s.t.Race != nil || s.t.State.Final() || wins && (!s.t.AwaitsRace() || s.t.Stopping) {
		return
	}
	s.emit(in.RaceDecided) // a loser is stopped from now on
	if !wins {
		return
	}
	tree := s.t.Rounds.Last.Tree
	s.clearAll()
	s.move(ruleRaceWon, "", in.Why)
	s.setDeadline(event.DeadlineTimeout, s.now.Add(s.t.Spec.Timeout), false)
	s.act(event.PublishArgs{Tree: tree})
}
