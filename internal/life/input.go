package life

import (
	"time"

	"muster/internal/event"
)

// Input is something that happened.
type Input interface{ input() }

// Heard is an event that another writer appended and that is folded already: a request of a verb, or a decision about
// the fleet. Decide handles its consequences.
type Heard struct{ Payload event.Payload }

// Reported is a status record of a generation.
type Reported struct {
	Gen    int
	Source string // the file that contains it
	Record event.Record
	Ask    *event.Ask // the complete request of a waiting agent
}

// Refused is a piece of a status file that could not be read as records.
type Refused struct {
	Gen    int
	Source string
	Why    string
}

// Flooded means that a generation's status file grows without end. Text has its size.
type Flooded struct {
	Gen  int
	Text string
}

// Exited means that the process of a generation is gone.
type Exited struct {
	Gen          int
	Cause        event.ExitCause
	Exit, Signal int
	Known        bool // Exit and Signal are known
	// Lack names the resource that a launch did not get and that may be available later; "" if it ended for another
	// reason.
	Lack string
	// Held says which process holds the lock of the task, so that the launch did not become its agent; "" if it ended
	// for another reason.
	Held string
}

// Finished is the outcome of an action: the facts that it found out or made true, or why it failed.
type Finished struct {
	ID      event.ActionID
	Facts   []event.Payload
	Failure *Failure
}

// FailureKind is the category of a failed action by what can be done about it.
type FailureKind string

// The kinds of failure.
const (
	FailAgain   FailureKind = "again"   // a later attempt may work
	FailShut    FailureKind = "shut"    // a person uses it: the agent's input has a draft or a dialog, or a checkout has changes
	FailRefused FailureKind = "refused" // a person must change something first
	FailMoved   FailureKind = "moved"   // the work changed meanwhile
	FailUnknown FailureKind = "unknown" // it is unknown whether it happened
)

// Failure is the reason why an action failed, with a text for people.
type Failure struct {
	Kind FailureKind
	Text string
	// Lack is the place with a shortage that may end later; "" if the action failed for another reason.
	Lack event.Place
}

// Begun means that an action whose outcome may take hours has started.
type Begun struct{ ID event.ActionID }

// Met means that the process that runs a job of an open action has introduced itself. It starts nothing before that is
// in the log.
type Met struct{ Job event.JobStarted }

// Roomy means that the shortage at the place of the task's postponed action may be over.
type Roomy struct{}

// Due means that a deadline has passed.
type Due struct {
	Name event.DeadlineName
	// With DeadlineSilence, Quiet is the agent's idle time by a clock that excludes the sleep of the host, and Most
	// reports whether most of the fleet's agents are silent.
	Quiet time.Duration
	Most  bool
}

// Slept means that the host was suspended for Gap: durations move, instants do not.
type Slept struct{ Gap time.Duration }

// Shelve ends the agent together with the fleet, to be resumed later.
type Shelve struct{}

func (Heard) input()    {}
func (Reported) input() {}
func (Refused) input()  {}
func (Flooded) input()  {}
func (Exited) input()   {}
func (Finished) input() {}
func (Begun) input()    {}
func (Met) input()      {}
func (Roomy) input()    {}
func (Due) input()      {}
func (Slept) input()    {}
func (Shelve) input()   {}
func (Reviewed) input() {}
