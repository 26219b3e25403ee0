package life

import (
	"cmp"
	"slices"
	"time"

	"muster/internal/event"
)

// Fleet is the input of decisions about many tasks.
type Fleet struct {
	// Tasks lists in the order of their ids: all tasks that hold a slot, are limited or have a postponed action, those
	// whose dependencies may be settled, and as many of the queue (see CompareLine) as there are free slots, without
	// those whose repository has a shortage (see Shortages) or whose accounts admit none (see Places). Further tasks
	// that are not final make no difference.
	Tasks []Task
	// Accounts has the accounts that the tasks use.
	Accounts map[event.AccountID]AccountState
	// States holds the state of every task that one of Tasks depends on.
	States map[event.TaskID]event.State
	// Slots is the number of agents that may run at the same time.
	Slots int
	// Gate is the reason of admission control why nothing new may start now, such as memory or disk; "" if tasks may
	// start.
	Gate string
	// GateWas is the reason in the log.
	GateWas string
	// Draining means that the fleet goes down: nothing new starts.
	Draining bool
}

// Schedule makes the decisions about the fleet: whose dependencies are met, and which tasks get a free slot. It
// depends on the present state and not on what changed, so it may be called too often, and a lost wake-up is
// corrected by the next call. A task that can't start never blocks those behind it.
func Schedule(f Fleet, now time.Time) []event.Event {
	var out []event.Event
	emit := func(id event.TaskID, p event.Payload) {
		out = append(out, event.Event{Time: now, Subject: event.OfTask(id), Data: p})
	}
	var short Shortages
	places := NewPlaces(f.Accounts, now)
	for i := range f.Tasks {
		places.Add(&f.Tasks[i])
	}
	for i := range f.Tasks {
		short.Add(&f.Tasks[i], places)
	}
	for _, id := range places.over() {
		out = append(out, event.Event{Time: now, Subject: event.OfAccount(id), Data: event.AccountWoke{}})
	}
	gate := cmp.Or(f.Gate, short.Machine)
	if gate != f.GateWas {
		if gate != "" {
			emit("", event.GateClosed{Reason: gate})
		} else {
			emit("", event.GateOpened{})
		}
	}
	shut := f.Draining || gate != ""
	free := f.Slots
	var line []*Task
	for i := range f.Tasks {
		t := &f.Tasks[i] // avoid copies: a task is large, and there may be thousands
		if t.Slot && !t.SharesSlot() {
			free--
		}
		if t.AwaitsOthers() {
			if p := dependencies(*t, f.States); p != nil {
				emit(t.ID, p)
			}
			continue // it was met just now, so it is in the queue from the next call on, which follows at once
		}
		// A postponed action is not new work: only another try shows whether the shortage is over.
		// A review belongs to a task that runs already, so a fleet that is drained waits for it.
		closed := shut
		if t.SharesSlot() {
			closed = gate != ""
		}
		if t.InLine() && (t.AwaitsRoom() || !closed && !short.Holds(t)) {
			line = append(line, t)
		}
	}
	slices.SortFunc(line, CompareLine)
	for _, t := range line {
		if free <= 0 && !t.SharesSlot() {
			continue
		}
		account, ok := places.Admit(t)
		if !ok {
			continue
		}
		if !t.SharesSlot() {
			free--
		}
		for _, p := range places.Take(t, account) {
			out = append(out, event.Event{Time: now, Subject: event.OfAccount(account), Data: p})
		}
		granted := event.SlotGranted{}
		if len(t.Spec.Accounts) > 0 {
			granted.Account = account
		}
		emit(t.ID, granted)
	}
	return out
}

// CompareLine orders the tasks that wait for a slot: by rank, then by age.
func CompareLine(a, b *Task) int {
	return cmp.Or(cmp.Compare(a.Rank(), b.Rank()), cmp.Compare(a.ID.Number(), b.ID.Number()))
}

// returnedFirst is more than the span of all priorities.
const returnedFirst = 1 << 20

// Rank returns the place of a task in the line for a slot by its priority; the lowest is the first. Work that was
// finished and came back with feedback goes before new work, because others may wait for it.
func (t *Task) Rank() int {
	rank := -t.Spec.Priority
	if t.State == event.Queued && t.Next == event.WhyFeedback {
		rank -= returnedFirst
	}
	return rank
}

// InLine reports whether the task waits only for a slot.
func (t Task) InLine() bool { return t.DepsMet && t.NeedsSlot() && !t.Removed }

// AwaitsOthers reports whether the task's dependencies are not settled yet.
func (t Task) AwaitsOthers() bool {
	return !t.DepsMet && !t.State.Final() && t.State != event.Parked && !t.Removed
}

// Settled reports whether Schedule would decide about the dependencies of a task that awaits others.
func Settled(t Task, states map[event.TaskID]event.State) bool {
	return t.AwaitsOthers() && dependencies(t, states) != nil
}

// dependencies returns the event about a task's dependencies; nil while one of them is open.
func dependencies(t Task, states map[event.TaskID]event.State) event.Payload {
	met := true
	for _, id := range t.Spec.After {
		state, known := states[id]
		switch {
		case !known || state == event.Failed || state == event.Cancelled:
			return event.DepsFailed{On: id, State: state}
		case state != event.Done:
			met = false
		}
	}
	switch {
	case met:
		return event.DepsMet{}
	case t.State == event.Queued:
		return event.TaskMoved{From: event.Queued, To: event.Blocked, Rule: string(ruleDepsWait), Detail: "it comes after " + list(t.Spec.After)}
	}
	return nil
}

func list(ids []event.TaskID) string {
	out := ""
	for i, id := range ids {
		if i > 0 {
			out += ", "
		}
		out += string(id)
	}
	return out
}

// stateText describes the state of a dependency. The state of an unknown task is "".
func stateText(s event.State) string {
	if s == "" {
		return "not there"
	}
	return string(s)
}
