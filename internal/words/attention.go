package words

import (
	"fmt"

	"muster/internal/event"
)

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

// Tone is how much a state matters to a person. Front ends choose a colour for it, beside a mark or the word.
type Tone int

// The tones.
const (
	ToneBusy Tone = iota // it goes on by itself
	ToneWarn             // it needs a person, or waits
	ToneBad              // it failed
	ToneGood             // it is done
	ToneDim              // nothing happens
)

// ToneOf returns the tone of a state.
func ToneOf(s event.State) Tone {
	switch s {
	case event.Waiting, event.Parked, event.Limited, event.Stalled:
		return ToneWarn
	case event.Failed:
		return ToneBad
	case event.Done:
		return ToneGood
	case event.Cancelled, event.Queued, event.Blocked:
		return ToneDim
	case event.Preparing, event.Starting, event.Working, event.Checking, event.Publishing, event.InReview:
	}
	return ToneBusy
}

// Mark returns a sign of one column for a state, and the same in ASCII. It tells the state apart without a
// colour.
func Mark(s event.State) (sign, ascii string) {
	switch s {
	case event.Waiting:
		return "?", "?"
	case event.Parked:
		return "P", "P"
	case event.Failed:
		return "✗", "x"
	case event.Stalled:
		return "!", "!"
	case event.Limited:
		return "z", "z"
	case event.Preparing, event.Starting:
		return "▷", ">"
	case event.Working:
		return "▶", ">"
	case event.Checking:
		return "◌", "c"
	case event.Publishing, event.InReview:
		return "↑", "^"
	case event.Queued, event.Blocked:
		return "·", "."
	case event.Done:
		return "✓", "v"
	case event.Cancelled:
		return "-", "-"
	}
	return " ", " "
}

// Title returns the heading of a group.
func (g Group) Title() string {
	switch g {
	case NeedsYouGroup:
		return "Needs you"
	case RunningGroup:
		return "Running"
	case QueuedGroup:
		return "Queued"
	case DoneGroup:
		return "Done"
	case CancelledGroup:
		return "Cancelled"
	}
	return string(g)
}

// Count returns a number of tasks of a group: "3 need you", "1 running".
func (g Group) Count(n int) string {
	switch {
	case n == 1 && g == NeedsYouGroup:
		return "1 needs you"
	case g == NeedsYouGroup:
		return fmt.Sprintf("%d need you", n)
	}
	return fmt.Sprintf("%d %s", n, g)
}
