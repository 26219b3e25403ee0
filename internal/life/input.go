package life

import (
	"time"

	"muster/internal/event"
)

// Input is something that happened, as the hands of the fleet found it out.
type Input interface{ input() }

// Heard is an event that somebody else wrote and that is folded already: a request of a verb, or a decision
// for the whole fleet. It now wants its consequences.
type Heard struct{ Payload event.Payload }

// Reported is a status record of a generation.
type Reported struct {
	Gen    int
	Source string // the file it stood in
	Record event.Record
	Ask    *event.Ask // what a waiting agent asks, whole
}

// Refused is a piece of a status file that could not be read as records.
type Refused struct {
	Gen    int
	Source string
	Why    string
}

// Flooded says that a generation's status file grows without end; Text says how far it has come.
type Flooded struct {
	Gen  int
	Text string
}

// Exited says that the process of a generation is gone.
type Exited struct {
	Gen          int
	Cause        event.ExitCause
	Exit, Signal int
	Known        bool // the exit status is
	// Lack says what a launch did not find that the machine may have again later; "" if that is not why it ended.
	Lack string
}

// Finished is the outcome of an action: the facts that it found out or made true, or why it failed.
type Finished struct {
	ID      event.ActionID
	Facts   []event.Payload
	Failure *Failure
}

// FailureKind says what can be done about a failed action.
type FailureKind string

// The kinds of failure.
const (
	FailAgain   FailureKind = "again"   // it may work a little later
	FailRefused FailureKind = "refused" // a person must change something first
	FailMoved   FailureKind = "moved"   // the work changed under it
	FailUnknown FailureKind = "unknown" // nobody can tell whether it happened
)

// Failure is why an action did not do what it should, in words for people.
type Failure struct {
	Kind FailureKind
	Text string
	// Lack is the place that lacks something now and may have it again later; "" if the action failed for another reason.
	Lack event.Place
}

// Begun says that an action whose outcome may be hours away is under way.
type Begun struct{ ID event.ActionID }

// Roomy says that the place of the task's put-off action may have again what it lacked.
type Roomy struct{}

// Due says that a deadline has passed.
type Due struct {
	Name event.DeadlineName
	// With DeadlineSilence: how long nothing was heard of the agent by the supervisor's own clock, which stands still
	// while the host sleeps, and whether most of the fleet's agents are silent.
	Quiet time.Duration
	Most  bool
}

// Slept says that the host was suspended for so long: durations move, instants do not.
type Slept struct{ Gap time.Duration }

// Shelve takes the agent down with the fleet.
type Shelve struct{}

// Reviewed is the end of a review.
type Reviewed struct{}

func (Heard) input()    {}
func (Reported) input() {}
func (Refused) input()  {}
func (Flooded) input()  {}
func (Exited) input()   {}
func (Finished) input() {}
func (Begun) input()    {}
func (Roomy) input()    {}
func (Due) input()      {}
func (Slept) input()    {}
func (Shelve) input()   {}
func (Reviewed) input() {}
