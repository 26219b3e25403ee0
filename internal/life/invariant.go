package life

import (
	"fmt"
	"slices"

	"muster/internal/event"
)

// Broken returns which invariant a task violates; "" if none. The invariants hold whenever the supervisor has
// committed. The simulation, the exhaustive walk and the property tests check them.
func Broken(t Task) string {
	for _, judge := range []func(Task) string{judgeCaps, judgeOpen, judgeSlot, judgeProgress, judgeReason, judgeRequest, judgeMoney} {
		if text := judge(t); text != "" {
			return text
		}
	}
	return ""
}

// BrokenBy returns which invariant the next event of a task violates; "" if none: moves match the table, no second
// process is started, no settled message is sent again, nothing is published without a green verdict, and a replaced
// agent has no effect.
func BrokenBy(t Task, e event.Event) string {
	switch p := e.Data.(type) {
	case event.TaskMoved:
		row, ok := table[rule(p.Rule)]
		switch {
		case !ok:
			return "no rule " + p.Rule
		case t.State.Final():
			return "a final state was left by " + p.Rule
		case p.From != t.State || !slices.Contains(row.From, p.From) || row.To != p.To:
			return fmt.Sprintf("%s moved from %s to %s in %s", p.Rule, p.From, p.To, t.State)
		case rule(p.Rule) == ruleTurnEnded && t.Agent.brokenOff():
			return "a turn is judged that was interrupted"
		}
	case event.ActionIntended:
		return brokenIntent(t, p.Action)
	case event.ActionFinished:
		if _, open := openAction(t, p.ID); !open {
			return fmt.Sprintf("%s %s ends, and was never intended", p.What, p.ID)
		}
	case event.RaceDecided:
		if t.Race != nil || t.Spec.Race == nil || !slices.Contains(t.Spec.Race.Tasks, p.Winner) {
			return "a race is decided twice, or by a task that is not in it"
		}
	case event.RoundFinished:
		last := t.Rounds.Last
		if p.Reused && (last == nil || !reusable(*last) || p.Tree != last.Tree || p.Environment == "" || p.Environment != last.Environment) {
			return fmt.Sprintf("round %d has the verdict of another tree or environment, or one that is not green", p.Round)
		}
	case event.GenerationStarted:
		if e.Gen != t.Gen+1 || p.Why == "" {
			return fmt.Sprintf("generation %d after %d, for %q", e.Gen, t.Gen, p.Why)
		}
	case event.AgentReported:
		if e.Gen != t.Gen || p.Record.Gen != 0 && p.Record.Gen != t.Gen {
			return fmt.Sprintf("generation %d is obeyed, and %d is the newest", max(p.Record.Gen, e.Gen), t.Gen)
		}
	case event.MessageMoved:
		m, ok := t.Message(p.Message)
		switch {
		case ok && p.To == event.MessageSending && !m.open():
			return fmt.Sprintf("message %s is sent again, and it is %s", m.ID, m.State)
		case ok && p.To == event.MessageWaiting && m.State == event.MessageSending && m.Gen == t.Gen && slices.Contains(t.Agent.Carries, m.ID):
			return fmt.Sprintf("message %s goes with a first prompt, and is taken back to be sent again", m.ID)
		}
	}
	return ""
}

// brokenIntent checks an intended action.
func brokenIntent(t Task, a event.Action) string {
	if why, spent := t.OverBudget(); spent && (a.Kind() == event.ActStart || a.Kind() == event.ActDeliver) {
		return "a prompt is sent although the budget is spent: " + why
	}
	if t.Held != nil && (a.Kind() == event.ActStart || a.Kind() == event.ActDeliver) {
		return "a prompt is sent although its account rests: " + string(t.Held.Cause)
	}
	switch args := a.Args.(type) {
	case event.StartArgs:
		if t.Agent.Live || t.Stopping || t.Shelved || t.State != event.Starting {
			return "an agent is started beside a living one, or of a task that ends"
		}
	case event.DeliverArgs:
		if m, ok := t.Message(args.Message); !ok || m.State != event.MessageSending {
			return fmt.Sprintf("message %s is delivered, and is not under way", args.Message)
		}
	case event.PublishArgs:
		if t.Spec.Race != nil && (t.Race == nil || t.lost()) {
			return "work of a race is published, and it has not won"
		}
		if last := t.Rounds.Last; last == nil || last.Tree != args.Tree || last.Moved || !allGreen(last.Results) {
			return fmt.Sprintf("tree %s is published without a green verdict", args.Tree)
		}
		for _, r := range t.Spec.Reviews {
			if _, judged := reviewIn(*t.Rounds.Last, r.Name); !judged {
				return fmt.Sprintf("tree %s is published without its review %s", args.Tree, r.Name)
			}
		}
	default:
	}
	return ""
}

// judgeMoney checks that no agent works on whose budget is spent.
func judgeMoney(t Task) string {
	works := t.State == event.Working && t.Agent.Live && !t.Agent.Turn.Over() && !t.Stopping
	if why, spent := t.OverBudget(); works && spent {
		return "its agent works on, and its budget is spent: " + why
	}
	if works && t.Held != nil && t.Held.Hard && t.hardHoldBegins() {
		return "its agent works on, and a hard budget is spent"
	}
	return ""
}

func judgeCaps(t Task) string {
	switch {
	case t.Attempt > max(1, t.Spec.Attempts):
		return fmt.Sprintf("attempt %d of %d", t.Attempt, t.Spec.Attempts)
	case t.Gen > t.Spec.Respawns+1:
		return fmt.Sprintf("generation %d, and respawns is %d", t.Gen, t.Spec.Respawns)
	case t.Rounds.Spent > max(1, t.Spec.Rounds)+maxVoids:
		return fmt.Sprintf("%d rounds spent of %d", t.Rounds.Spent, t.Spec.Rounds)
	case t.APIErrors > maxAPIErrors+1:
		return fmt.Sprintf("%d API errors in a row", t.APIErrors)
	}
	return ""
}

func judgeOpen(t Task) string {
	kinds := map[string]bool{}
	for _, a := range t.Open {
		kind := string(a.Kind())
		if answer, ok := a.Args.(event.AnswerArgs); ok {
			kind += answer.Request // each request has an answer of its own
		}
		if kinds[kind] {
			return "two open actions of kind " + string(a.Kind())
		}
		kinds[kind] = true
	}
	if p := t.PutOff; p != nil {
		if _, open := openAction(t, p.Action); !open {
			return "an action is put off that is not open"
		}
	}
	sent := 0
	for _, m := range t.Messages {
		if m.State == event.MessageSending && !slices.Contains(t.Agent.Carries, m.ID) {
			sent++
		}
	}
	if sent > 1 {
		return fmt.Sprintf("%d messages are under way at once", sent)
	}
	return ""
}

func judgeSlot(t Task) string {
	switch t.State {
	case event.Preparing, event.Starting, event.Working, event.Waiting, event.Stalled, event.Checking, event.Publishing:
		published := t.State == event.Publishing && t.Race != nil // its agent has gone before it won
		if !t.Slot && !t.AwaitsRoom() && !published {
			return "it runs without a slot"
		}
	case event.Limited:
		if t.Slot {
			return "it rests with a slot"
		}
	case event.Queued, event.Blocked, event.InReview, event.Parked, event.Done, event.Failed, event.Cancelled:
		if !t.Slot && t.Agent.Live && !endsWithoutSlot(t) {
			return "a process lives without a slot"
		}
		if t.Slot && len(t.Open) == 0 {
			return "it keeps a slot that it has no use for"
		}
	}
	return ""
}

// endsWithoutSlot reports whether the agent of a task that rested without a slot is being ended.
func endsWithoutSlot(t Task) bool {
	_, ending := t.Action(event.ActEnd)
	_, starting := t.Action(event.ActStart)
	return ending || starting
}

// judgeProgress returns what a task would wait for without end.
func judgeProgress(t Task) string {
	has := func(names ...event.DeadlineName) bool {
		return slices.ContainsFunc(t.Deadlines, func(d Deadline) bool { return slices.Contains(names, d.Name) })
	}
	doing := func(kinds ...event.ActionKind) bool {
		return slices.ContainsFunc(t.Open, func(a event.Action) bool { return slices.Contains(kinds, a.Kind()) })
	}
	ends := t.Stopping || t.Shelved
	ok := true
	switch t.State {
	case event.Queued, event.Blocked, event.Parked:
		ok = !t.Stopping || len(t.Open) > 0
	case event.Preparing:
		ok = doing(event.ActPrepare) || ends && len(t.Open) > 0
	case event.Starting:
		ok = doing(event.ActStart, event.ActEnd, event.ActProbe) || has(event.DeadlineRestart, event.DeadlineFirstRecord) && t.Next+t.Agent.Why != "" || ends && len(t.Open) > 0
	case event.Working:
		_, heard := t.Deadline(event.DeadlineSilence)
		ok = len(t.Open) > 0 || t.Agent.Live && !t.Stopping && (heard || !Heeded(t))
	case event.Waiting:
		ok = has(event.DeadlineWaiting) || ends && len(t.Open) > 0
	case event.Stalled:
		ok = has(event.DeadlineStall) || ends && len(t.Open) > 0
	case event.Limited:
		ok = has(event.DeadlineAPIRetry) || t.Next != "" || ends && len(t.Open) > 0
	case event.Checking:
		ok = doing(event.ActCheck) || t.Inspection != nil && has(event.DeadlineVerdict) || ends && len(t.Open) > 0
	case event.Publishing:
		ok = doing(event.ActPublish, event.ActEnd, event.ActClean)
	case event.InReview:
		ok = has(event.DeadlineReview) || doing(event.ActClean) || ends && len(t.Open) > 0
	case event.Done, event.Failed, event.Cancelled:
	}
	if !ok {
		return "nothing will ever happen to it"
	}
	timed := t.State == event.Starting || t.State == event.Working || t.State == event.Waiting || t.State == event.Stalled ||
		t.State == event.Limited || t.State == event.Checking || t.State == event.Publishing
	if timed && !ends && !has(event.DeadlineTimeout) {
		return "its time has no end"
	}
	if t.Next != "" && !slices.Contains([]event.State{event.Queued, event.Preparing, event.Starting, event.Limited}, t.State) && !t.State.Final() && t.State != event.Parked {
		return "a plan for a generation stands that nobody will carry out"
	}
	return ""
}

func judgeReason(t Task) string {
	if (t.State == event.Parked || t.State == event.Failed || t.State == event.Cancelled) && t.Reason == "" {
		return "it has no reason"
	}
	return ""
}

func judgeRequest(t Task) string {
	switch {
	case t.State == event.Waiting && t.Request == nil:
		return "it waits for nothing"
	case t.State != event.Waiting && t.State != event.Parked && t.Request != nil:
		return "a request is open in " + string(t.State)
	case t.State.Final() && (t.Stopping || t.Shelved):
		return "it has ended, and is to end"
	}
	return ""
}
