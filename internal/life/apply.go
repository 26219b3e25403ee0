package life

import (
	"cmp"
	"slices"
	"time"

	"muster/internal/event"
)

// keptMessages bounds the settled messages that a task remembers; the log has all of them.
const keptMessages = 50

// Apply folds an event into a task. It decides nothing: the meaning of an event was decided when it was written, so
// that old logs fold the same way after a change of the rules. An unknown event changes nothing.
func Apply(t Task, e event.Event) Task {
	switch p := e.Data.(type) {
	case event.DispatchRequested:
		return born(e, p)
	case event.TaskMoved:
		return moved(t, e, p)
	case event.SlotGranted:
		if !t.triesWithoutAgent() {
			t.Held = nil // its account admits an agent of it
		}
		t.Slot = true
		if p.Account != "" {
			t.Uses = p.Account
		}
	case event.AccountHeld:
		t.Held = &Held{Cause: p.Cause, Until: p.Until, Hard: p.Hard}
		if p.Account == event.NightBudget {
			t.Held.Of = p.Account
		}
	case event.AccountReleased:
		t.Held = nil
	case event.SlotReleased:
		t.Slot = false
	case event.DepsMet:
		t.DepsMet = true
	case event.InterruptRequested:
		t.Agent.Turn = interruptedAgain(t)
	case event.RetryRequested:
		if t.State == event.Parked {
			t.Allowed = allow(t.Allowed, p.Allow)
		}
	case event.StopRequested:
		t.Stopping = !t.State.Final()
	case event.RaceDecided:
		t.Race = &p
		t.Stopping = t.Stopping || t.lost() && !t.State.Final()
	case event.WorktreeReady:
		t.Worktree, t.Branch, t.Base, t.BaseFrom = p.Path, p.Branch, p.Base, cmp.Or(p.From, t.BaseFrom)
		t.Removed = false // restored work can be removed again
	case event.WorktreeRemoved:
		t.Worktree, t.SetAside = "", p.SetAside
	case event.WorkPublished:
		t.Published = &p
	case event.ReviewTold:
		t.Review = told(t.Review, p)
	case event.WorkKept:
		if !slices.Contains(t.Kept, p.Ref) {
			t.Kept = append(slices.Clone(t.Kept), p.Ref)
		}
	case event.TaskRemoved:
		t.Removed = true
	case event.StallStaged:
		t.Stage = p.Stage
		if p.Stage == event.StageInterrupt {
			t.Agent.Turn = interrupting(t.Agent)
		}
	case event.SilenceDoubted:
		t.Doubted = true
	case event.BudgetGranted:
		t.Spending = Spending{From: p.Usage}
	case event.UsageRecorded:
		t.Usage = setUsage(t.Usage, p)
	case event.JobStarted:
		t = jobStarted(t, p)
	case event.ReviewWanted, event.ReviewBegun, event.ReviewFinished, event.ReviewerSealed:
		t = applyReview(t, e)
	case event.RoundFinished:
		t.Rounds = judged(t.Rounds, p)
		switch {
		case !t.Agent.Live:
			t.Agent.Turn = ""
		case t.Agent.toJudge():
			t.Agent.Turn = TurnIdle
		}
		if p.Void == "" {
			t.APIErrors = 0
			t.Stage, t.Doubted = "", false
		}
	case event.RequestOpened:
		t.Request, t.Answered = &p, false
	case event.RequestClosed:
		t.Request, t.Answered = nil, false
	case event.PermissionDecided:
		if p.By == event.DecidedByDeadline {
			t.Lapsed = p.Request
		}
	case event.AnswerRequested:
		if r := t.Request; t.State == event.Parked && p.Decision == event.Allow && r != nil && r.Request == p.Request && r.Ask != nil && r.Shown(p.Hash) {
			t.Granted = r.Ask.Hash
		}
		if r := t.Request; r != nil && r.Request == p.Request && (p.Decision != event.Allow || r.Shown(p.Hash)) && (t.State == event.Waiting || t.State == event.Parked) {
			t.Answered = true
		}
	default:
		t = applyAgent(t, e)
		t = applyBook(t, e)
	}
	return t
}

// allow returns the union of two lists. It changes neither.
func allow(have, more []event.FindingKind) []event.FindingKind {
	for _, k := range more {
		if !slices.Contains(have, k) {
			have = append(slices.Clip(have), k)
		}
	}
	return have
}

func born(e event.Event, p event.DispatchRequested) Task {
	return Task{
		ID: e.Task, Spec: p.Spec, State: event.Queued, QueuedAt: e.Time, ChangedAt: e.Time,
		DepsMet: len(p.Spec.After) == 0,
	}
}

func moved(t Task, e event.Event, p event.TaskMoved) Task {
	t.State, t.Reason, t.Detail = p.To, p.Reason, p.Detail
	t.ChangedAt = e.Time
	if p.To != event.Checking {
		t.Inspection = nil // it belongs to a round
	}
	if p.To.Final() || p.To == event.Parked || p.To == event.Queued {
		t.Held = nil // it uses its account no longer
	}
	switch {
	case p.To.Final():
		t.FinishedAt = e.Time
		t.Stopping, t.Shelved, t.Request, t.Answered = false, false, nil, false
	case p.To == event.Parked || p.To == event.InReview:
		t.Shelved = false // there is nothing left to shut down
		t.Rounds.Voids = 0
	case p.To == event.Working:
		t.Rounds.Voids = 0
	case p.From == event.Parked: // a person retried it: it gets a new allowance, whatever the state of its dependencies
		t.Rounds.Spent, t.APIErrors, t.Agent.Launches, t.Review = 0, 0, 0, Review{}
		t.Stage, t.Doubted = "", false
		t.DepsMet = true
	}
	return t
}

// applyAgent folds events of the agent's process and its turns.
func applyAgent(t Task, e event.Event) Task {
	switch p := e.Data.(type) {
	case event.GenerationStarted:
		t.Gen, t.Attempt, t.Conversation = e.Gen, p.Attempt, p.Conversation
		t.Agent = Agent{Why: p.Why, Resumed: p.Resume, Launches: t.Agent.Launches}
		t.Next = ""
		if t.StartedAt.IsZero() {
			t.StartedAt = e.Time
		}
	case event.AgentLaunched:
		t.Agent.Live, t.Agent.Process, t.Agent.Pane = true, p.Process, p.Pane
		t.Agent.Launches = 0
		t.Session = p.Session
		if t.Agent.Turn == "" && t.Spec.Traits.FirstRecord == 0 {
			t.Agent.Turn = TurnBusy // a kind without records counts as working from its launch on
		}
	case event.FenceApplied:
		t.Agent.Fenced = &p
	case event.AgentExited:
		t.Agent.Live = false
		if p.Cause == event.CauseOwn {
			t.Lacks = 0
		}
		if t.Agent.Turn.unjudged() {
			t.Agent.Turn = TurnEnded
		} else {
			t.Agent.Turn = ""
		}
	case event.AgentReported:
		t = reported(t, p.Record, !p.Account)
		if p.Note {
			t.Agent = noted(t.Agent, e.Time)
		}
	case event.RecordRefused:
		if p.Notes {
			t.Agent.Notes++
		}
	case event.NextPlanned:
		t.Next = p.Why
		if p.LaunchFailed {
			t.Agent.Launches++
		}
	case event.Shelved:
		t.Shelved = p.On
	}
	return t
}

// isNote reports whether a record changes a task by its note alone.
func isNote(before, after Task, r event.Record) bool {
	a, b := before.Agent, after.Agent
	return r.State == event.RecordWorking && !r.Prompted && after.Note != before.Note && a.Seen &&
		a.Turn == b.Turn && a.Claimed == b.Claimed && a.Mode == b.Mode && a.Error == b.Error && after.APIErrors == before.APIErrors
}

// noted counts a note.
func noted(a Agent, at time.Time) Agent {
	if at.Sub(a.NotesFrom) >= notesTime || at.Before(a.NotesFrom) {
		a.NotesFrom, a.Notes = at, 0
	}
	a.Notes++
	return a
}

// reported folds a status record that was accepted. An error counts if it is one of the task.
func reported(t Task, r event.Record, counts bool) Task {
	a := t.Agent
	if t.Stage != "" && t.worksAgain(r) {
		t.Stage, t.Doubted = "", false
	}
	a.Seen = true
	a.Hooked = a.Hooked || r.Src == event.SrcHook
	t.Lacks = 0
	if r.Time.After(a.ReportedAt) {
		a.ReportedAt = r.Time
	}
	if r.PermissionMode != "" {
		a.Mode = r.PermissionMode
	}
	if r.Note != "" {
		t.Note = r.Note
	}
	if r.Verdict != nil {
		a.Verdict = r.Verdict
	}
	switch r.State {
	case event.RecordWorking:
		if a.Turn != TurnBusy {
			a.Error = ""
		}
		switch held := a.Turn == TurnInterrupting || a.Turn == TurnInterrupted; {
		case held && r.Background: // its turn is over
			a.Turn = TurnInterrupted
		case a.Turn == TurnInterrupting && t.afterInterrupt(r): // the key had no effect
			a.Turn = TurnBusy
		case held && !r.Prompted:
			a.Turn = TurnInterrupting
		case r.Background:
			a.Turn = TurnBackground
		default:
			a.Turn = TurnBusy
		}
		if r.Prompted {
			a.Claimed = false
		}
	case event.RecordIdle:
		a.Turn = idle(a.Turn, r)
	case event.RecordDone:
		a.Claimed = true
	case event.RecordError, event.RecordLimited:
		a.Turn, a.Error = TurnIdle, r.Error
		if r.State == event.RecordLimited {
			a.Error = event.ErrorRateLimit
		}
		if counts {
			t.APIErrors++
		}
	case event.RecordWaiting:
		if r.Reason != event.WaitDialog { // a question comes in the middle of a turn; a dialog may open before the first turn
			a.Error = ""
			if a.Turn != TurnInterrupted && a.Turn != TurnInterrupting {
				a.Turn = TurnBusy
			} else {
				a.Turn = TurnInterrupting
			}
		}
	case event.RecordLaunched, event.RecordExited:
	}
	t.Agent = a
	return t
}

// idle returns the turn after a record that the agent is ready. An agent that was never busy has ended no turn.
func idle(t Turn, r event.Record) Turn {
	switch {
	case r.Src == event.SrcExit:
		return TurnEnded
	case r.Interrupted && (t == TurnBusy || t == TurnBackground || t == TurnUnexplained):
		return TurnInterrupted
	case r.Background && t != TurnInterrupting && t != TurnInterrupted:
		return TurnBackground
	}
	switch t {
	case TurnInterrupting:
		return TurnInterrupted
	case TurnBusy, TurnBackground:
		if r.Src == event.SrcStatusFile && !r.Stopping {
			return TurnUnexplained
		}
		return TurnEnded
	case TurnUnexplained:
		if r.Src != event.SrcStatusFile || r.Stopping {
			return TurnEnded
		}
	case "":
		return TurnIdle
	case TurnIdle, TurnEnded, TurnInterrupted:
	}
	return t
}

// interrupting returns the turn that is being interrupted. A turn that is over cannot be.
func interrupting(a Agent) Turn {
	if a.Live && a.Turn == TurnBusy {
		return TurnInterrupting
	}
	return a.Turn
}

// interruptedAgain returns the turn that a person interrupts. One that a person broke off before is judged now.
func interruptedAgain(t Task) Turn {
	if t.BrokenOffByPerson() {
		return TurnEnded
	}
	return interrupting(t.Agent)
}

// applyBook folds events about actions, deadlines and messages.
func applyBook(t Task, e event.Event) Task {
	switch p := e.Data.(type) {
	case event.ActionIntended:
		t.Open = append(slices.Clone(t.Open), p.Action)
		t.LastAction++
		if start, ok := p.Action.Args.(event.StartArgs); ok {
			t.Agent.Carries = start.Messages
		}
	case event.ActionPutOff:
		t = putOff(t, p)
	case event.ActionBegun:
		if t.PutOff != nil && t.PutOff.Action == p.ID {
			begun := *t.PutOff
			begun.Begun = true
			t.PutOff = &begun
		}
	case event.ActionFinished:
		t.Open = without(t.Open, func(a event.Action) bool { return a.ID == p.ID })
		if t.PutOff != nil && t.PutOff.Action == p.ID {
			t.PutOff = nil
		}
		if p.Error == "" && (p.What == event.ActPrepare || p.What == event.ActCheck || p.What == event.ActPublish) {
			t.Lacks = 0
		}
		switch {
		case p.What == event.ActAnswer && p.Error != "":
			t.Answered = false
		case p.What == event.ActInterrupt && p.Error == "":
			t.Agent.InterruptedAt = e.Time
		case p.What == event.ActInterrupt && t.Stage != event.StageInterrupt: // the supervisor's own may have had an effect all the same
			switch t.Agent.Turn {
			case TurnInterrupting:
				t.Agent.Turn = TurnBusy
			case TurnInterrupted:
				t.Agent.Turn = TurnEnded
			default: // it is another turn by now
			}
		case p.What != event.ActEnd:
		case p.Error == "":
			t.Agent.Ends = 0
		default:
			t.Agent.Ends++
		}
	case event.DeadlineSet:
		t.Deadlines = withDeadline(t.Deadlines, Deadline(p))
	case event.DeadlineCleared:
		if p.Name == event.DeadlineSettle && t.Agent.Turn == TurnUnexplained && t.Agent.toJudge() {
			t.Agent.Turn = TurnEnded
		}
		if p.Name == event.DeadlineBudget {
			t.Spending.Wall = worked(t, e.Time)
		}
		t.Deadlines = withoutDeadline(t.Deadlines, p.Name)
	case event.SendRequested:
		t = addMessage(t, Message{ID: p.Message, State: event.MessageWaiting, Why: event.WhyMessage})
	case event.MessageQueued:
		t.Spending.Told = t.Spending.Told || p.Why == event.WhyBudget
		t = addMessage(t, Message{ID: p.Message, State: event.MessageWaiting, Why: p.Why})
	case event.MessageMoved:
		t.Messages = slices.Clone(t.Messages)
		for i := range t.Messages {
			if t.Messages[i].ID == p.Message {
				t.Messages[i].State, t.Messages[i].Gen = p.To, e.Gen
			}
		}
	}
	return t
}

// putOff folds that an action was postponed. The text stays the same while one action waits, because each change of
// it would be an event of the fleet.
func putOff(t Task, p event.ActionPutOff) Task {
	why := p.Why
	if was := t.PutOff; was != nil && was.Action == p.ID && was.Place == p.Place && !was.Begun {
		why = was.Why
	}
	t.PutOff = &PutOff{Action: p.ID, Place: p.Place, Why: why}
	t.Setup, t.Round = unrun(t.Setup, p.ID), unrun(t.Round, p.ID)
	t.Lacks++
	return t
}

// unrun returns a job of an action that was put off: its runs for a shortage do not count.
func unrun(j *event.JobStarted, id event.ActionID) *event.JobStarted {
	if j == nil || j.Action != id {
		return j
	}
	again := *j
	again.Run = 0
	return &again
}

// jobStarted folds that a process runs a job.
func jobStarted(t Task, p event.JobStarted) Task {
	if p.For == event.ActPrepare {
		t.Setup = &p
	} else {
		t.Round = &p
	}
	return t
}

func addMessage(t Task, m Message) Task {
	if _, known := t.Message(m.ID); known {
		return t
	}
	t.LastMessage++
	t.Messages = append(slices.Clone(t.Messages), m)
	settled := 0
	for _, m := range t.Messages {
		if !m.open() {
			settled++
		}
	}
	t.Messages = slices.DeleteFunc(t.Messages, func(m Message) bool {
		if m.open() || settled <= keptMessages {
			return false
		}
		settled--
		return true
	})
	return t
}

func judged(r Rounds, p event.RoundFinished) Rounds {
	if p.Void != "" {
		r.Voids++
		return r
	}
	r.Voids = 0
	r.Count, r.Spent = p.Round, r.Spent+1
	r.Last = &p
	return r
}

func setUsage(all []Usage, p event.UsageRecorded) []Usage {
	all = slices.Clone(all)
	for i := range all {
		if all[i].Conversation == p.Conversation {
			all[i].Usage = p.Usage
			return all
		}
	}
	return append(all, Usage(p))
}

// withDeadline returns a copy with the deadline set or moved, in the order of the names.
func withDeadline(all []Deadline, d Deadline) []Deadline {
	all = append(withoutDeadline(all, d.Name), d)
	slices.SortFunc(all, func(a, b Deadline) int { return cmpString(a.Name, b.Name) })
	return all
}

func withoutDeadline(all []Deadline, name event.DeadlineName) []Deadline {
	return without(all, func(d Deadline) bool { return d.Name == name })
}

// without returns a copy of a list without some elements; nil if none are left, as in a task that never had any.
func without[T any](all []T, gone func(T) bool) []T {
	left := slices.DeleteFunc(slices.Clone(all), gone)
	if len(left) == 0 {
		return nil
	}
	return left
}

func cmpString[S ~string](a, b S) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
