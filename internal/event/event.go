package event

import (
	"encoding/json"
	"fmt"
	"time"
)

// Kind is the name of an event, in the past tense. Kinds are never renamed, because old logs must stay readable.
type Kind string

// Payload is the typed data of an event. Each kind has one payload type and one writer.
type Payload interface{ Kind() Kind }

// Event is one fact. Seq is 0 until the store has appended it.
type Event struct {
	Seq  int64
	Time time.Time
	Subject
	Gen  int // the generation that it is about; 0 if there is none
	Data Payload
}

// Kind returns the kind of the payload.
func (e Event) Kind() Kind { return e.Data.Kind() }

// wire is the JSON form of an event, which `muster events --json` prints.
type wire struct {
	Seq     int64           `json:"seq"`
	Time    time.Time       `json:"time"`
	Task    TaskID          `json:"task,omitempty"`
	Subject string          `json:"subject,omitempty"` // set if it is neither a task nor the fleet
	Gen     int             `json:"gen,omitempty"`
	Kind    Kind            `json:"kind"`
	Data    json.RawMessage `json:"data"`
}

// MarshalJSON encodes the documented form.
func (e Event) MarshalJSON() ([]byte, error) {
	data, err := json.Marshal(e.Data)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", e.Kind(), err)
	}
	return json.Marshal(wire{Seq: e.Seq, Time: e.Time.UTC(), Task: e.Task, Subject: e.Other(), Gen: e.Gen, Kind: e.Kind(), Data: data})
}

// UnmarshalJSON decodes the documented form. A kind that this version does not know becomes Unknown, so that the log
// of a newer muster can be read.
func (e *Event) UnmarshalJSON(b []byte) error {
	var w wire
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("decode event: %w", err)
	}
	p, err := Decode(w.Kind, w.Data)
	if err != nil {
		return err
	}
	*e = Event{Seq: w.Seq, Time: w.Time, Subject: OfTask(w.Task), Gen: w.Gen, Data: p}
	if w.Subject != "" {
		e.Subject = ParseSubject(w.Subject)
	}
	return nil
}

// Decode decodes the typed payload of a kind from its JSON.
func Decode(kind Kind, data []byte) (Payload, error) {
	decode, ok := kinds[kind]
	if !ok {
		return Unknown{Name: kind, Raw: append(json.RawMessage(nil), data...)}, nil
	}
	p, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", kind, err)
	}
	return p, nil
}

// Unknown is the payload of a kind that this version does not know. It is kept unchanged and never handled.
type Unknown struct {
	Name Kind
	Raw  json.RawMessage
}

// Kind returns the unknown kind.
func (u Unknown) Kind() Kind { return u.Name }

// MarshalJSON returns the payload unchanged.
func (u Unknown) MarshalJSON() ([]byte, error) { return u.Raw, nil }

// typed decodes a payload of one type.
func typed[P Payload](data []byte) (Payload, error) {
	var p P
	err := json.Unmarshal(data, &p)
	return p, err
}

// kinds is the table of all events, with their writers and the types of their payloads.
var kinds = map[Kind]func([]byte) (Payload, error){
	// Written by verbs.
	"dispatch.requested":  typed[DispatchRequested],
	"send.requested":      typed[SendRequested],
	"answer.requested":    typed[AnswerRequested],
	"interrupt.requested": typed[InterruptRequested],
	"stop.requested":      typed[StopRequested],
	"retry.requested":     typed[RetryRequested],
	"remove.requested":    typed[RemoveRequested],
	"restore.requested":   typed[RestoreRequested],
	"down.requested":      typed[DownRequested],
	"up.requested":        typed[UpRequested],
	"wake.requested":      typed[WakeRequested],
	"rest.requested":      typed[RestRequested],
	// Written by life, for one task.
	"task.moved":         typed[TaskMoved],
	"action.intended":    typed[ActionIntended],
	"action.finished":    typed[ActionFinished],
	"action.put_off":     typed[ActionPutOff],
	"action.begun":       typed[ActionBegun],
	"deadline.set":       typed[DeadlineSet],
	"deadline.cleared":   typed[DeadlineCleared],
	"worktree.ready":     typed[WorktreeReady],
	"worktree.removed":   typed[WorktreeRemoved],
	"generation.started": typed[GenerationStarted],
	"next.planned":       typed[NextPlanned],
	"task.shelved":       typed[Shelved],
	"agent.launched":     typed[AgentLaunched],
	"fence.applied":      typed[FenceApplied],
	"agent.reported":     typed[AgentReported],
	"agent.exited":       typed[AgentExited],
	"agent.probed":       typed[AgentProbed],
	"silence.doubted":    typed[SilenceDoubted],
	"stall.staged":       typed[StallStaged],
	"record.refused":     typed[RecordRefused],
	"request.opened":     typed[RequestOpened],
	"request.closed":     typed[RequestClosed],
	"permission.decided": typed[PermissionDecided],
	"message.queued":     typed[MessageQueued],
	"message.moved":      typed[MessageMoved],
	"job.started":        typed[JobStarted],
	"round.finished":     typed[RoundFinished],
	"review.wanted":      typed[ReviewWanted],
	"review.begun":       typed[ReviewBegun],
	"review.finished":    typed[ReviewFinished],
	"reviewer.sealed":    typed[ReviewerSealed],
	"work.published":     typed[WorkPublished],
	"review.told":        typed[ReviewTold],
	"race.decided":       typed[RaceDecided],
	"work.kept":          typed[WorkKept],
	"stash.kept":         typed[StashKept],
	"usage.recorded":     typed[UsageRecorded],
	"budget.granted":     typed[BudgetGranted],
	"slot.released":      typed[SlotReleased],
	"task.removed":       typed[TaskRemoved],
	"account.held":       typed[AccountHeld],
	"account.released":   typed[AccountReleased],
	// Written by life, for the fleet.
	"slot.granted": typed[SlotGranted],
	"deps.met":     typed[DepsMet],
	"deps.failed":  typed[DepsFailed],
	"gate.closed":  typed[GateClosed],
	"gate.opened":  typed[GateOpened],
	// Written by life, for one account.
	"account.rested":  typed[AccountRested],
	"account.until":   typed[AccountUntil],
	"account.met":     typed[AccountMet],
	"account.probing": typed[AccountProbing],
	"account.probed":  typed[AccountProbed],
	"account.proved":  typed[AccountProved],
	"account.woke":    typed[AccountWoke],
	"account.used":    typed[AccountUsed],
	"account.spent":   typed[AccountSpent],
	// Written by life, for one merge queue.
	"merge.joined":    typed[MergeJoined],
	"merge.withdrawn": typed[MergeWithdrawn],
	"merge.built":     typed[MergeBuilt],
	"merge.judged":    typed[MergeJudged],
	"merge.landed":    typed[MergeLanded],
	"merge.returned":  typed[MergeReturned],
	"merge.held":      typed[MergeHeld],
	"merge.resumed":   typed[MergeResumed],

	// Written by the supervisor about itself and the machine.
	"supervisor.started":  typed[SupervisorStarted],
	"supervisor.stopped":  typed[SupervisorStopped],
	"supervisor.upgraded": typed[SupervisorUpgraded],
	"upgrade.rolled_back": typed[UpgradeRolledBack],
	"server.changed":      typed[ServerChanged],
	"host.slept":          typed[HostSlept],
	"recurring.ran":       typed[RecurringRan],
	"notice.sent":         typed[NoticeSent],
	"notice.failed":       typed[NoticeMissed],
}

// Kinds returns all kinds that this version knows.
func Kinds() []Kind {
	out := make([]Kind, 0, len(kinds))
	for k := range kinds {
		out = append(out, k)
	}
	return out
}
