package life

import (
	"slices"
	"time"

	"muster/internal/event"
)

// Task is all that is known of a task: the fold of its events. It is a value; Apply never changes one in place.
type Task struct {
	ID    event.TaskID `json:"id"`
	Spec  event.Spec   `json:"spec"`
	State event.State  `json:"state"`
	// Reason and Detail say why it is in this state: for scripts, and for people.
	Reason event.Reason `json:"reason,omitempty"`
	Detail string       `json:"detail,omitempty"`
	Note   string       `json:"note,omitempty"` // the agent's last word about itself

	QueuedAt   time.Time `json:"queued_at"`
	StartedAt  time.Time `json:"started_at,omitzero"` // the first generation's
	ChangedAt  time.Time `json:"changed_at"`
	FinishedAt time.Time `json:"finished_at,omitzero"`

	Slot     bool `json:"slot,omitempty"`     // holds one of the fleet's slots
	DepsMet  bool `json:"deps_met,omitempty"` // or has none
	Stopping bool `json:"stopping,omitempty"` // `stop` was asked for
	Shelved  bool `json:"shelved,omitempty"`  // the fleet goes down and takes its agent along
	Removed  bool `json:"removed,omitempty"`

	Branch   string `json:"branch,omitempty"`
	Worktree string `json:"worktree,omitempty"`  // "" once removed
	Base     string `json:"base,omitempty"`      // commit
	BaseFrom string `json:"base_from,omitempty"` // which state of another task that was, see event.WorktreeReady
	Session  string `json:"session,omitempty"`   // tmux session name

	Gen          int    `json:"gen"`     // the newest generation, 0 before the first
	Attempt      int    `json:"attempt"` // 1 for the first generation
	Conversation string `json:"conversation,omitempty"`
	Agent        Agent  `json:"agent"`
	// Next is why a further generation waits for a slot or for the end of a pause; "" if none does.
	Next      event.Why `json:"next,omitempty"`
	APIErrors int       `json:"api_errors,omitempty"` // in a row

	Request  *event.RequestOpened `json:"request,omitempty"`
	Messages []Message            `json:"messages,omitempty"`
	// Granted is the hash of the newest permission request that a person allowed when the process that asked was gone.
	// The next generation may do exactly that without asking again.
	Granted string `json:"granted,omitempty"`
	Rounds  Rounds `json:"rounds"`

	// Stage is the newest stage of the reaction to an agent's silence; "" if it was heard of since, or ended a turn.
	Stage event.Stage `json:"stage,omitempty"`
	// Doubted tells that its silence was put down to the whole fleet's once.
	Doubted bool `json:"doubted,omitempty"`

	Published *event.WorkPublished `json:"published,omitempty"`
	Kept      []string             `json:"kept,omitempty"`      // refs, oldest first
	SetAside  string               `json:"set_aside,omitempty"` // where files lie that could neither be kept nor removed
	Usage     []Usage              `json:"usage,omitempty"`

	Open      []event.Action `json:"open,omitempty"`      // intended, not finished
	PutOff    *PutOff        `json:"put_off,omitempty"`   // one of them that waits for what a place lacks
	Lacks     int            `json:"lacks,omitempty"`     // how often in a row something was put off
	Deadlines []Deadline     `json:"deadlines,omitempty"` // by name

	LastAction  int `json:"last_action"`
	LastMessage int `json:"last_message"`
}

// Agent is the newest generation's process, as far as it was reported.
type Agent struct {
	Live       bool             `json:"live,omitempty"`     // launched and not known to be gone
	Process    event.ProcessRef `json:"process,omitzero"`   // zero before it was launched
	Pane       string           `json:"pane,omitempty"`     // tmux pane id
	Seen       bool             `json:"seen,omitempty"`     // a record of it came
	Turn       Turn             `json:"turn,omitempty"`     // as it says
	Claimed    bool             `json:"claimed,omitempty"`  // it says that the task is done
	ReportedAt time.Time        `json:"reported,omitzero"`  // time of the newest obeyed record
	Error      event.ErrorKind  `json:"error,omitempty"`    // how its last turn ended
	Why        event.Why        `json:"why,omitempty"`      // why this generation was started
	Carries    []MessageID      `json:"carries,omitempty"`  // messages that its first prompt holds
	Resumed    bool             `json:"resumed,omitempty"`  // its conversation was taken up again
	Mode       string           `json:"mode,omitempty"`     // effective permission mode
	Launches   int              `json:"launches,omitempty"` // launch failures in a row
	Ends       int              `json:"ends,omitempty"`     // failures in a row to end it
}

// MessageID is event.MessageID.
type MessageID = event.MessageID

// Turn is where an agent's turn stands, as its records tell; "" before the first one.
type Turn string

// The turns. Those from TurnIdle on are over.
const (
	TurnBusy         Turn = "busy"
	TurnBackground   Turn = "background"   // over, but work goes on
	TurnInterrupting Turn = "interrupting" // busy, and a person asked to break it off
	TurnIdle         Turn = "idle"         // ready, and nothing is left to be judged
	TurnEnded        Turn = "ended"        // over, and no round has judged it
	// TurnUnexplained is an ended turn of which only the agent's own status file tells, which does not say how it ended.
	TurnUnexplained Turn = "ended_unexplained"
	// TurnInterrupted is one that a person broke off. It is not judged until they have spoken.
	TurnInterrupted Turn = "interrupted"
)

// Over reports whether the agent is ready for input.
func (t Turn) Over() bool {
	switch t {
	case TurnIdle, TurnEnded, TurnUnexplained, TurnInterrupted:
		return true
	case TurnBusy, TurnBackground, TurnInterrupting:
	}
	return false
}

// unjudged reports whether a turn has ended that no round has judged.
func (t Turn) unjudged() bool { return t == TurnEnded || t == TurnUnexplained || t == TurnInterrupted }

// Message is a text under way to the agent; the text itself lies in the store.
type Message struct {
	ID    event.MessageID    `json:"id"`
	State event.MessageState `json:"state"`
	Why   event.Why          `json:"why"`
	Gen   int                `json:"gen,omitempty"` // to which it was sent
}

// open tells whether the message still has to arrive.
func (m Message) open() bool {
	return m.State == event.MessageWaiting || m.State == event.MessageSending
}

// Rounds is where the checks stand.
type Rounds struct {
	Count int `json:"count"` // rounds that judged something
	Spent int `json:"spent"` // of them, since a person last brought the task back
	Voids int `json:"voids,omitempty"`
	// Last is the newest round that was not void.
	Last *event.RoundFinished `json:"last,omitempty"`
}

// Usage is what one conversation has used.
type Usage struct {
	Conversation string      `json:"conversation"`
	Usage        event.Usage `json:"usage"`
}

// Deadline is a named point in time at which the task is looked at again.
type Deadline struct {
	Name    event.DeadlineName `json:"name"`
	At      time.Time          `json:"at"`
	Instant bool               `json:"instant,omitempty"`
	Left    time.Duration      `json:"left,omitempty"` // its clock stands still, and so much is left
}

// TotalUsage is the sum over all conversations.
func (t Task) TotalUsage() event.Usage {
	var sum event.Usage
	for _, u := range t.Usage {
		sum.InputTokens += u.Usage.InputTokens
		sum.OutputTokens += u.Usage.OutputTokens
		sum.CacheReadTokens += u.Usage.CacheReadTokens
		sum.CacheWriteTokens += u.Usage.CacheWriteTokens
		sum.CostUSD += u.Usage.CostUSD
		sum.Turns += u.Usage.Turns
	}
	return sum
}

// Deadline finds a deadline by name.
func (t Task) Deadline(name event.DeadlineName) (Deadline, bool) {
	return deadline(t.Deadlines, name)
}

func deadline(all []Deadline, name event.DeadlineName) (Deadline, bool) {
	i := slices.IndexFunc(all, func(d Deadline) bool { return d.Name == name })
	if i < 0 {
		return Deadline{}, false
	}
	return all[i], true
}

// Action finds an open action by kind.
func (t Task) Action(kind event.ActionKind) (event.Action, bool) {
	i := slices.IndexFunc(t.Open, func(a event.Action) bool { return a.Kind() == kind })
	if i < 0 {
		return event.Action{}, false
	}
	return t.Open[i], true
}

// Message finds a message by id.
func (t Task) Message(id event.MessageID) (Message, bool) {
	i := slices.IndexFunc(t.Messages, func(m Message) bool { return m.ID == id })
	if i < 0 {
		return Message{}, false
	}
	return t.Messages[i], true
}

// Busy tells whether the task needs a supervisor now: it runs, something is being done, or a deadline stands.
func (t Task) Busy() bool {
	return !t.State.Final() && t.State != event.Parked || len(t.Open) > 0 || len(t.Deadlines) > 0
}

// Waits reports whether the task only waits for its turn: nothing of it runs, is intended or has a deadline. A supervisor
// need not look at it before a slot is free or one of its dependencies has ended.
func (t Task) Waits() bool {
	return (t.State == event.Queued || t.State == event.Blocked) && !t.Slot && !t.Stopping && !t.Shelved && !t.Agent.Live &&
		len(t.Open) == 0 && len(t.Deadlines) == 0
}

// NeedsSlot tells whether the task stands in the line for a slot.
func (t Task) NeedsSlot() bool {
	if t.AwaitsRoom() {
		_, pause := t.Deadline(event.DeadlineLack)
		return !pause
	}
	if t.Slot || len(t.Open) > 0 || t.Stopping {
		return false
	}
	return t.State == event.Queued || t.State == event.Limited && t.Next == event.WhyAPI
}
