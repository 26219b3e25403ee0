package life

import (
	"cmp"
	"time"

	"muster/internal/event"
)

// A shortage is a temporary lack of a resource at a place: disk space, descriptors, terminals, memory, a remote. An action that
// fails for it is postponed: it stays intended, releases its slot and uses no attempt. It is tried again with a slot
// when its pause is over, when another action shows that the shortage has ended, or when a person requests something.

const (
	firstLackPause   = 5 * time.Second // before the first retry; it doubles with each one
	longestLackPause = 2 * time.Minute
	// longestRemotePause is the same for a remote: each attempt costs its server a request.
	longestRemotePause = 5 * time.Minute
	// longestLack is how long one action may be postponed. Then its task is parked.
	longestLack = 12 * time.Hour
)

// PutOff is the open action that waits for the end of a shortage.
type PutOff struct {
	Action event.ActionID `json:"action"`
	Place  event.Place    `json:"place"`
	Why    string         `json:"why"`
	// Begun is set when a retry has started to work. Its outcome may take hours, but the shortage is over.
	Begun bool `json:"begun,omitempty"`
}

// canWait reports whether an action may run hours after its decision. Messages and key presses may not.
func canWait(k event.ActionKind) bool {
	switch k {
	case event.ActPrepare, event.ActStart, event.ActCheck, event.ActPublish:
		return true
	default:
		return false
	}
}

// AwaitsRoom reports whether an action of the task is postponed and not running. Such a task holds no slot.
func (t Task) AwaitsRoom() bool { return t.PutOff != nil && !t.Slot }

// triesWithoutAgent reports whether the task gets a slot for a postponed action that starts no agent. Its account has no
// part in that, and a slot for it does not say that the account admits an agent.
func (t Task) triesWithoutAgent() bool {
	if !t.AwaitsRoom() {
		return false
	}
	a, ok := openAction(t, t.PutOff.Action)
	return ok && a.Kind() != event.ActStart && a.Kind() != event.ActPrepare
}

// IsPutOff reports whether this action of the task must not run now.
func (t Task) IsPutOff(id event.ActionID) bool { return t.AwaitsRoom() && t.PutOff.Action == id }

// At returns a name of a place that is the same for all tasks: the machine, the task's own repository, or its remote.
func (t Task) At(p event.Place) string {
	switch {
	case p == event.PlaceRemote:
		return string(p) + " " + t.Spec.Remote + " " + t.Spec.GitDir
	case p != event.PlaceRepository:
		return string(p)
	}
	if t.Spec.GitDir != "" {
		return string(p) + " " + t.Spec.GitDir
	}
	return string(p) + " " + t.Spec.Repo
}

// putOff postpones an action that failed for a shortage. It returns false if the failure counts; in then has it.
func (s *step) putOff(a event.Action, in *Finished) bool {
	f := in.Failure
	if f == nil || f.Lack == "" || !canWait(a.Kind()) || !Wanted(s.t, a.Kind()) {
		return false
	}
	if s.t.IsPutOff(a.ID) {
		return true
	}
	if _, left := s.t.Deadline(event.DeadlineLackEnd); s.t.PutOff != nil && !left {
		in.Failure = &Failure{Kind: FailRefused, Text: f.Text}
		return false
	}
	if a.Kind() == event.ActPrepare && s.t.Worktree == "" { // it may have come as far as that
		s.facts(a, *in)
	}
	s.await(a, f.Lack, f.Text)
	return true
}

// await records that an action waits for the end of a shortage.
func (s *step) await(a event.Action, place event.Place, why string) {
	if s.t.PutOff == nil {
		s.setDeadline(event.DeadlineLackEnd, s.now.Add(longestLack), false)
	}
	s.emit(event.ActionPutOff{ID: a.ID, What: a.Kind(), Place: place, Why: why})
	longest := longestLackPause
	if place == event.PlaceRemote {
		longest = longestRemotePause
	}
	pause := min(firstLackPause<<min(max(0, s.t.Lacks-1), 10), longest)
	s.setDeadline(event.DeadlineLack, s.now.Add(pause), false)
	if s.t.Slot {
		s.emit(event.SlotReleased{})
	}
}

// awaitStart postpones a start that was decided in this step: the previous launch failed for a shortage, and the next
// one would, too.
func (s *step) awaitStart(why string) {
	last := len(s.actions) - 1
	if last >= 0 && s.actions[last].Kind() == event.ActStart {
		start := s.actions[last]
		s.actions = without(s.actions, func(a event.Action) bool { return a.ID == start.ID })
		s.await(start, event.PlaceMachine, why)
	}
}

// tryAgain runs the postponed action again, with a slot.
func (s *step) tryAgain() {
	if a, ok := openAction(s.t, s.t.PutOff.Action); ok {
		s.clear(event.DeadlineLack)
		s.actions = append(s.actions, a)
	}
}

// begun records that a postponed action has started to work.
func (s *step) begun(id event.ActionID) {
	if p := s.t.PutOff; p != nil && p.Action == id && !p.Begun && s.t.Slot {
		s.emit(event.ActionBegun{ID: id})
	}
}

// hurry ends the pause of a postponed action, because its shortage may be over.
func (s *step) hurry() {
	if s.t.AwaitsRoom() {
		s.clear(event.DeadlineLack)
	}
}

// giveUp ends a postponed action as if it had failed for good. The task needs a slot for the consequences, if only
// for a moment.
func (s *step) giveUp(kind FailureKind) {
	p := *s.t.PutOff
	s.emit(event.SlotGranted{})
	s.finished(Finished{ID: p.Action, Failure: &Failure{Kind: kind, Text: p.Why}})
}

// dropUnwanted ends a postponed action without a purpose: its task was stopped, shut down or has ended.
func (s *step) dropUnwanted() {
	if !s.t.AwaitsRoom() {
		return
	}
	if a, ok := openAction(s.t, s.t.PutOff.Action); ok && !Wanted(s.t, a.Kind()) {
		s.giveUp(FailAgain)
	}
	if s.t.State == event.Limited && s.t.Slot {
		s.emit(event.SlotReleased{}) // it rests, and nothing follows
	}
}

// Shortages are the places with a shortage, by the postponed actions of a fleet.
type Shortages struct {
	// Machine describes the shortage of the machine, for people; "" if there is none. During it nothing new starts.
	Machine string
	places  map[string]bool
}

// Add adds the shortage of a task's postponed action. Tasks are added in the order of their ids, when all of them have
// their place. A task that its account keeps from another try adds none: it would hold back all other tasks for as long
// as the account rests. The next task that starts shows whether the shortage lasts.
func (s *Shortages) Add(t *Task, places *Places) {
	p := t.PutOff
	if p == nil || p.Begun {
		return
	}
	if _, ok := places.Admit(t); !ok {
		return
	}
	if p.Place == event.PlaceMachine {
		s.Machine = cmp.Or(s.Machine, "the machine lacks something, and what failed for it is tried again: "+p.Why)
		return
	}
	if s.places == nil {
		s.places = map[string]bool{}
	}
	s.places[t.At(p.Place)] = true
}

// Holds reports whether a task that waits for its worktree must not start yet, because of a shortage at its
// repository. Other tasks continue.
func (s *Shortages) Holds(t *Task) bool {
	return s.places != nil && t.State == event.Queued && s.places[t.At(event.PlaceRepository)]
}
