package words

import "muster/internal/event"

// Group is a group of tasks in the order in which a person looks at them.
type Group string

// The groups.
const (
	NeedsYouGroup  Group = "needs_you"
	RunningGroup   Group = "running"
	QueuedGroup    Group = "queued"
	DoneGroup      Group = "done"
	CancelledGroup Group = "cancelled"
)

// Groups returns all groups in that order.
func Groups() []Group {
	return []Group{NeedsYouGroup, RunningGroup, QueuedGroup, DoneGroup, CancelledGroup}
}

// GroupOf returns the group of the tasks in a state.
func GroupOf(s event.State) Group {
	switch s {
	case event.Waiting, event.Parked, event.Failed:
		return NeedsYouGroup
	case event.Queued, event.Blocked:
		return QueuedGroup
	case event.Done:
		return DoneGroup
	case event.Cancelled:
		return CancelledGroup
	case event.Preparing, event.Starting, event.Working, event.Stalled, event.Limited, event.Checking, event.Publishing, event.InReview:
	}
	return RunningGroup
}

// Attention returns a number that orders tasks: a person looks at those with the lowest number first.
func Attention(s event.State) int {
	order := []event.State{
		event.Waiting, event.Parked, event.Failed, // need a person
		event.Stalled, event.Limited, event.Preparing, event.Starting, event.Working, event.Checking, event.Publishing, event.InReview, // run
		event.Queued, event.Blocked, event.Done, event.Cancelled,
	}
	for i, o := range order {
		if s == o {
			return i
		}
	}
	return len(order)
}
