package life

import (
	"slices"
	"time"

	"muster/internal/event"
)

// Task is the state of a task: the fold of its events. It is a value; Apply never changes one in place.
type Task struct {
	ID    event.TaskID `json:"id"`
	Spec  event.Spec   `json:"spec"`
	State event.State  `json:"state"`
	// Reason and Detail explain the state: for scripts, and for people.
	Reason event.Reason `json:"reason,omitempty"`
	Detail string       `json:"detail,omitempty"`
	Note   string       `json:"note,omitempty"` // the agent's last report about itself

	QueuedAt   time.Time `json:"queued_at"`
	StartedAt  time.Time `json:"started_at,omitzero"` // the first generation's
	ChangedAt  time.Time `json:"changed_at"`
	FinishedAt time.Time `json:"finished_at,omitzero"`

	Slot     bool `json:"slot,omitempty"`     // holds one of the fleet's slots
	DepsMet  bool `json:"deps_met,omitempty"` // or has none
	Stopping bool `json:"stopping,omitempty"` // `stop` was requested
	Shelved  bool `json:"shelved,omitempty"`  // the fleet goes down and ends its agent
	Removed  bool `json:"removed,omitempty"`

	Branch   string `json:"branch,omitempty"`
	Worktree string `json:"worktree,omitempty"`  // "" once removed
	Base     string `json:"base,omitempty"`      // commit
	BaseFrom string `json:"base_from,omitempty"` // which state of another task that was, see event.WorktreeReady
	Session  string `json:"session,omitempty"`   // tmux session name

	// Uses is the account that the task was started on; "" if it has no choice, or was not started yet.
	Uses event.AccountID `json:"uses,omitempty"`
	Held *Held           `json:"held,omitempty"` // set while its account rests

	Gen          int    `json:"gen"`     // the newest generation, 0 before the first
	Attempt      int    `json:"attempt"` // 1 for the first generation
	Conversation string `json:"conversation,omitempty"`
	Agent        Agent  `json:"agent"`
	// Next is the reason of a further generation that waits for a slot or for the end of a pause; "" if there is
	// none.
	Next      event.Why `json:"next,omitempty"`
	APIErrors int       `json:"api_errors,omitempty"` // in a row

	Request  *event.RequestOpened `json:"request,omitempty"`
	Answered bool                 `json:"answered,omitempty"` // a person's answer to Request is being carried out
	Lapsed   string               `json:"lapsed,omitempty"`   // the newest request to which a rule's default was given
	Messages []Message            `json:"messages,omitempty"`
	// Granted is the hash of the newest permission request that a person allowed after the asking process was gone.
	// The next generation may do exactly that without asking again.
	Granted string `json:"granted,omitempty"`
	Rounds  Rounds `json:"rounds"`

	// Setup and Round are the newest runs of the setup and of a round of checks. nil if there was none, or if it was run
	// by a version that did not record it.
	Setup *event.JobStarted `json:"setup,omitempty"`
	Round *event.JobStarted `json:"round,omitempty"`

	// Inspection is the review that a round waits for; nil if there is none.
	Inspection *Inspection `json:"inspection,omitempty"`

	// Stage is the newest stage of the reaction to an agent's silence; "" if it has reported since, or ended a turn.
	Stage event.Stage `json:"stage,omitempty"`
	// Doubted is true if its silence was once attributed to the whole fleet.
	Doubted bool `json:"doubted,omitempty"`

	// Allowed are the findings that a person has allowed the work to have.
	Allowed   []event.FindingKind  `json:"allowed,omitempty"`
	Published *event.WorkPublished `json:"published,omitempty"`
	Review    Review               `json:"review,omitzero"`
	Race      *event.RaceDecided   `json:"race,omitempty"`      // how its race ended; nil while it lasts, or without one
	Kept      []string             `json:"kept,omitempty"`      // refs, oldest first
	SetAside  string               `json:"set_aside,omitempty"` // directory of files that could neither be kept nor removed
	Usage     []Usage              `json:"usage,omitempty"`
	Spending  Spending             `json:"spending,omitzero"` // of the budget

	Open      []event.Action `json:"open,omitempty"`      // intended, not finished
	PutOff    *PutOff        `json:"put_off,omitempty"`   // one of them that waits for the end of a shortage
	Lacks     int            `json:"lacks,omitempty"`     // consecutive postponements
	Deadlines []Deadline     `json:"deadlines,omitempty"` // by name

	LastAction  int `json:"last_action"`
	LastMessage int `json:"last_message"`
}

// Agent is the newest generation's process, as far as it is known.
type Agent struct {
	Live       bool             `json:"live,omitempty"`    // launched and not known to be gone
	Process    event.ProcessRef `json:"process,omitzero"`  // zero before it was launched
	Pane       string           `json:"pane,omitempty"`    // tmux pane id
	Seen       bool             `json:"seen,omitempty"`    // it has written a record
	Hooked     bool             `json:"hooked,omitempty"`  // its hooks work: one of them has written a record
	Turn       Turn             `json:"turn,omitempty"`    // as it reports
	Claimed    bool             `json:"claimed,omitempty"` // it reports that the task is done
	ReportedAt time.Time        `json:"reported,omitzero"` // time of the newest accepted record
	// InterruptedAt is when the key or signal of the newest interrupt was sent.
	InterruptedAt time.Time       `json:"interrupted,omitzero"`
	Error         event.ErrorKind `json:"error,omitempty"`    // how its last turn ended
	Why           event.Why       `json:"why,omitempty"`      // why this generation was started
	Carries       []MessageID     `json:"carries,omitempty"`  // messages in its first prompt
	Resumed       bool            `json:"resumed,omitempty"`  // its conversation was resumed
	Mode          string          `json:"mode,omitempty"`     // effective permission mode
	Launches      int             `json:"launches,omitempty"` // launch failures in a row
	Ends          int             `json:"ends,omitempty"`     // failures in a row to end it
	// Notes counts the notes since NotesFrom that changed nothing else, with one more when it was logged that further
	// ones are left out.
	Notes     int       `json:"notes,omitempty"`
	NotesFrom time.Time `json:"notes_from,omitzero"`
	// Fenced is the fence that the process was started in; nil if it has none.
	Fenced *event.FenceApplied `json:"fenced,omitempty"`
	// Seal recognises the verdict of a reviewer, and Verdict is the newest one.
	Seal    string         `json:"seal,omitempty"`
	Verdict *event.Verdict `json:"verdict,omitempty"`
}

// Left reports whether a process of the task could not be ended.
func (t Task) Left() bool { return t.Agent.Ends >= maxEnds }

// MessageID is event.MessageID.
type MessageID = event.MessageID

// Turn is the state of an agent's turn by its records; "" before the first one.
type Turn string

// The turns. Those from TurnIdle on are over.
const (
	TurnBusy         Turn = "busy"
	TurnBackground   Turn = "background"   // over, but work continues in the background
	TurnInterrupting Turn = "interrupting" // busy, and it is being interrupted
	TurnIdle         Turn = "idle"         // ready, and nothing waits to be judged
	TurnEnded        Turn = "ended"        // over, and no round has judged it
	// TurnUnexplained is an ended turn that is known only from the agent's own status file, which does not report how
	// it ended. If the agent's hooks work, one of them reports how; until then it counts as broken off by a person.
	TurnUnexplained Turn = "ended_unexplained"
	// TurnInterrupted is a turn that a person interrupted, or the supervisor for its silence. It is not judged: the person
	// acts, or the agent is told to go on.
	TurnInterrupted Turn = "interrupted"
)

// brokenOff reports whether the agent's turn is over and is not to be judged as it is.
func (a Agent) brokenOff() bool {
	return a.Turn == TurnInterrupted || a.Turn == TurnUnexplained && a.Hooked && !a.Claimed
}

// BrokenOffByPerson reports whether a person broke the turn of the task's agent off, so that an interrupt of theirs has its work
// judged as it is. While there is a stage, the supervisor may have.
func (t Task) BrokenOffByPerson() bool { return t.Agent.brokenOff() && t.Stage == "" }

// toJudge reports whether the agent's turn has ended and is to be judged next.
func (a Agent) toJudge() bool { return a.Turn.ended() && !a.brokenOff() }

// interruptWait is how long after an interrupt the hooks of the turn that it broke off may still report. It is longer than any
// observed hook.
const interruptWait = 30 * time.Second

// afterInterrupt reports whether a record says that the agent began a tool so long after an interrupt that the turn which was
// interrupted, if it has ended, cannot have begun it.
func (t Task) afterInterrupt(r event.Record) bool {
	at := t.Agent.InterruptedAt
	return r.State == event.RecordWorking && r.Tool != "" && !at.IsZero() && r.Time.Sub(at) >= interruptWait
}

// Over reports whether the agent is ready for input.
func (t Turn) Over() bool {
	switch t {
	case TurnIdle, TurnEnded, TurnUnexplained, TurnInterrupted:
		return true
	case TurnBusy, TurnBackground, TurnInterrupting:
	}
	return false
}

// ended reports whether a turn has ended, was not judged, and is not known to have been broken off.
func (t Turn) ended() bool { return t == TurnEnded || t == TurnUnexplained }

// unjudged reports whether a turn is over and was not judged.
func (t Turn) unjudged() bool { return t.ended() || t == TurnInterrupted }

// Message is a message to the agent. Its text is in the store.
type Message struct {
	ID    event.MessageID    `json:"id"`
	State event.MessageState `json:"state"`
	Why   event.Why          `json:"why"`
	Gen   int                `json:"gen,omitempty"` // the generation to which it was sent
}

// open reports whether the message has not arrived yet.
func (m Message) open() bool {
	return m.State == event.MessageWaiting || m.State == event.MessageSending
}

// Rounds is the state of the checks.
type Rounds struct {
	Count int `json:"count"` // rounds that judged something
	Spent int `json:"spent"` // of them, since a person last retried the task
	Voids int `json:"voids,omitempty"`
	// Last is the newest round that was not void.
	Last *event.RoundFinished `json:"last,omitempty"`
}

// Usage is the usage of one conversation.
type Usage struct {
	Conversation string      `json:"conversation"`
	Usage        event.Usage `json:"usage"`
}

// Deadline is a named point in time at which the task is looked at again.
type Deadline struct {
	Name    event.DeadlineName `json:"name"`
	At      time.Time          `json:"at"`
	Instant bool               `json:"instant,omitempty"`
	Left    time.Duration      `json:"left,omitempty"` // its clock is stopped with this much left; 0 if it runs
}

// TotalUsage is the sum over all conversations.
func (t Task) TotalUsage() event.Usage {
	var sum event.Usage
	for _, u := range t.Usage {
		sum = sum.Add(u.Usage)
	}
	return sum
}

// Deadline returns a deadline by name.
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

// Action returns an open action by kind.
func (t Task) Action(kind event.ActionKind) (event.Action, bool) {
	i := slices.IndexFunc(t.Open, func(a event.Action) bool { return a.Kind() == kind })
	if i < 0 {
		return event.Action{}, false
	}
	return t.Open[i], true
}

// Job returns the newest run of a job by its name; false if there was none.
func (t Task) Job(name string) (event.JobStarted, bool) {
	for _, j := range []*event.JobStarted{t.Round, t.Setup} {
		if j != nil && j.Name == name {
			return *j, true
		}
	}
	return event.JobStarted{}, false
}

// Message returns a message by id.
func (t Task) Message(id event.MessageID) (Message, bool) {
	i := slices.IndexFunc(t.Messages, func(m Message) bool { return m.ID == id })
	if i < 0 {
		return Message{}, false
	}
	return t.Messages[i], true
}

// Busy reports whether the task needs a supervisor now: it runs, has an open action, or has a deadline.
func (t Task) Busy() bool {
	return !t.State.Final() && t.State != event.Parked || len(t.Open) > 0 || len(t.Deadlines) > 0
}

// Waits reports whether the task only waits for a slot or for other tasks: nothing of it runs, is intended or has a
// deadline. A supervisor need not look at it before a slot is free or a dependency has ended.
func (t Task) Waits() bool {
	return (t.State == event.Queued || t.State == event.Blocked) && !t.Slot && !t.Stopping && !t.Shelved && !t.Agent.Live &&
		len(t.Open) == 0 && len(t.Deadlines) == 0
}

// NeedsSlot reports whether the task waits for a slot.
func (t Task) NeedsSlot() bool {
	if t.AwaitsRoom() {
		_, pause := t.Deadline(event.DeadlineLack)
		return !pause
	}
	if t.Slot || len(t.Open) > 0 || t.Stopping {
		return false
	}
	return t.State == event.Queued || t.State == event.Limited && t.Next != ""
}
