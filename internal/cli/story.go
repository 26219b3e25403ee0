package cli

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// tell says in one line of plain words what an event says; "" where only machines care.
func tell(e event.Event) string {
	for _, part := range []func(event.Event) (string, bool){tellRequest, tellAgent, tellWork, tellTask, tellFleet} {
		if text, mine := part(e); mine {
			return clean(text, 400)
		}
	}
	return ""
}

// tellRequest speaks of what people asked for.
func tellRequest(e event.Event) (string, bool) {
	switch p := e.Data.(type) {
	case event.DispatchRequested:
		return "queued: " + first(p.Spec.Summary, p.Spec.Name), true
	case event.SendRequested:
		return fmt.Sprintf("a person sent %s: %s", p.Message, firstLine(p.Text)), true
	case event.AnswerRequested:
		return "a person answered: " + answerText(p), true
	case event.InterruptRequested:
		return "a person asked to interrupt the turn", true
	case event.StopRequested:
		return "a person asked to stop the task", true
	case event.RetryRequested:
		return "a person asked to try again", true
	case event.RemoveRequested:
		if p.Force {
			return "a person asked to remove it, whatever is in it", true
		}
		return "a person asked to remove it", true
	case event.RestoreRequested:
		return "a person asked to restore " + p.Ref, true
	case event.DownRequested:
		return fmt.Sprintf("a person told the fleet to be down (%s)", p.Mode), true
	case event.UpRequested:
		return "a person told the fleet to be up", true
	}
	return "", false
}

// answerText is an answer in words.
func answerText(p event.AnswerRequested) string {
	if p.Decision == event.Reply {
		return firstLine(p.Text)
	}
	return strings.TrimSpace(string(p.Decision) + " " + firstLine(p.Text))
}

// tellAgent speaks of the agent and what was said to it.
func tellAgent(e event.Event) (string, bool) {
	switch p := e.Data.(type) {
	case event.GenerationStarted:
		return fmt.Sprintf("generation %d begins, attempt %d: %s", e.Gen, p.Attempt, whyText(p.Why)), true
	case event.NextPlanned:
		if p.Why == "" {
			return "no further generation is needed", true
		}
		return "a further generation is planned: " + whyText(p.Why), true
	case event.AgentLaunched:
		return fmt.Sprintf("the agent runs as process %d in session %s", p.Process.PID, p.Session), true
	case event.AgentReported:
		return "the agent reported " + recordText(p.Record), true
	case event.AgentExited:
		return "the agent " + exitText(p.Cause, p.Exit, p.Signal, p.Known), true
	case event.AgentProbed:
		text := "no tool call is open"
		if p.Tool != "" {
			text = "its tool " + p.Tool + " has not ended"
		}
		return fmt.Sprintf("a look at the silent agent: %s; its screen is kept in %s", text, p.Evidence), true
	case event.SilenceDoubted:
		return fmt.Sprintf("silent for %s, like most of the fleet: that says more about the machine or the network than about the agent, and is not held against it this time", short(p.Quiet)), true
	case event.StallStaged:
		return "stage of the reaction to its silence: " + string(p.Stage), true
	case event.RecordRefused:
		return fmt.Sprintf("not obeyed, from its %s file: %s", first(p.Source, "status"), p.Why), true
	case event.RequestOpened:
		return "the agent asks: " + requestText(p), true
	case event.RequestClosed:
		return "the request is closed: " + p.How, true
	case event.MessageQueued:
		return fmt.Sprintf("%s queued for the agent (%s): %s", p.Message, whyText(p.Why), firstLine(p.Text)), true
	case event.MessageMoved:
		text := fmt.Sprintf("%s is %s", p.Message, p.To)
		if p.Evidence != "" {
			text += " (" + p.Evidence + ")"
		}
		return text, true
	case event.UsageRecorded:
		return usageText(p.Usage), true
	}
	return "", false
}

// tellWork speaks of what became of the agent's work.
func tellWork(e event.Event) (string, bool) {
	switch p := e.Data.(type) {
	case event.WorktreeReady:
		return fmt.Sprintf("worktree %s is ready on branch %s", p.Path, p.Branch), true
	case event.WorktreeRemoved:
		return "the worktree is removed", true
	case event.RoundFinished:
		return fmt.Sprintf("round %d: %s", p.Round, roundText(p)), true
	case event.WorkPublished:
		where := first(p.URL, p.Branch)
		if p.Mode == event.PublishNone {
			where = "nowhere, as it was asked for"
		}
		return "published: " + where, true
	case event.WorkKept:
		return "the work is kept under " + p.Ref, true
	case event.TaskRemoved:
		return "the task is removed; its branch and its events stay", true
	}
	return "", false
}

// tellTask speaks of the task as a whole.
func tellTask(e event.Event) (string, bool) {
	switch p := e.Data.(type) {
	case event.TaskMoved:
		text := fmt.Sprintf("%s → %s: %s", p.From, p.To, first(life.RuleText(p.Rule), p.Rule))
		if p.Detail != "" {
			text += " (" + firstLine(p.Detail) + ")"
		}
		return text, true
	case event.ActionIntended:
		return fmt.Sprintf("%s: is going to %s", p.Action.ID, actionText(p.Action)), true
	case event.ActionFinished:
		if p.Error != "" {
			return fmt.Sprintf("%s: %s failed: %s", p.ID, p.What, p.Error), true
		}
		return fmt.Sprintf("%s: %s is done", p.ID, p.What), true
	case event.DeadlineSet:
		return fmt.Sprintf("deadline %s: %s", p.Name, p.At.Local().Format(time.DateTime)), true
	case event.DeadlineCleared:
		return fmt.Sprintf("deadline %s is cleared", p.Name), true
	case event.Shelved:
		if p.On {
			return "its agent is taken down with the fleet", true
		}
		return "its agent is down, to be resumed", true
	case event.SlotGranted:
		return "it got a slot", true
	case event.SlotReleased:
		return "it gave its slot back", true
	case event.DepsMet:
		return "all that it comes after is done", true
	case event.DepsFailed:
		return fmt.Sprintf("%s is %s", p.On, p.State), true
	}
	return "", false
}

// tellFleet speaks of the fleet and its machine.
func tellFleet(e event.Event) (string, bool) {
	switch p := e.Data.(type) {
	case event.GateClosed:
		return "nothing new starts: " + p.Reason, true
	case event.GateOpened:
		return "tasks start again", true
	case event.SupervisorStarted:
		return fmt.Sprintf("supervisor %s started as process %d and took up %d tasks", p.Version, p.PID, p.Adopted), true
	case event.SupervisorUpgraded:
		return fmt.Sprintf("%s supervises in place of %s", p.To, p.From), true
	case event.UpgradeRolledBack:
		return fmt.Sprintf("%s is back, %s was not to be had: %s", p.From, p.To, p.Why), true
	case event.SupervisorStopped:
		return "the supervisor stopped: " + p.Why, true
	case event.ServerChanged:
		return fmt.Sprintf("tmux %s holds the fleet, process %d", p.Version, p.PID), true
	case event.HostSlept:
		return "the machine slept for " + short(p.Gap), true
	}
	return "", false
}

// whyText is why a generation was started.
func whyText(w event.Why) string {
	text, ok := map[event.Why]string{
		event.WhyFirst: "the first", event.WhyCrash: "the one before crashed", event.WhySilent: "the one before never reported",
		event.WhyStall: "the one before stood still", event.WhyFeedback: "checks failed", event.WhyMessage: "there is a message for it",
		event.WhyLost: "tmux or the machine went away", event.WhyRetry: "a person brought it back", event.WhyAPI: "the model's service failed",
		event.WhyNudge: "it was silent",
	}[w]
	if !ok {
		return string(w)
	}
	return text
}

// recordText is a status record in words.
func recordText(r event.Record) string {
	text := string(r.State)
	for _, s := range []string{string(r.Reason), string(r.Error)} {
		if s != "" {
			text += " (" + s + ")"
		}
	}
	if r.Tool != "" {
		text += ", tool " + r.Tool
	}
	if !r.Until.IsZero() {
		text += " until " + r.Until.Local().Format(time.DateTime)
	}
	if r.Message != "" {
		text += ", took " + string(r.Message)
	}
	if r.Note != "" {
		text += ": " + firstLine(r.Note)
	}
	return text
}

// exitText says how an agent's process ended.
func exitText(cause event.ExitCause, exit, signal int, known bool) string {
	how := fmt.Sprintf("exited with status %d", exit)
	switch {
	case !known:
		how = "is gone"
	case signal != 0:
		how = "was ended by signal " + syscall.Signal(signal).String()
	}
	switch cause {
	case event.CauseEnded:
		if !known {
			return "was ended by muster"
		}
		return how + ", ended by muster"
	case event.CauseLost:
		return how + ", with its tmux server or machine"
	case event.CauseOwn:
	}
	return how
}

// requestText is an open request in words.
func requestText(r event.RequestOpened) string {
	text := string(r.Reason)
	if r.Tool != "" {
		text += " for " + r.Tool
	}
	if r.Text != "" {
		text += ": " + firstLine(r.Text)
	}
	if len(r.Options) > 0 {
		text += " [" + strings.Join(r.Options, " | ") + "]"
	}
	return text
}

// roundText is the verdict of a round in words.
func roundText(r event.RoundFinished) string {
	switch {
	case r.Void != "":
		return "void: " + r.Void
	case r.Moved:
		return "void: the work changed while it was judged"
	case len(r.Results) == 0 && r.Changed:
		return "there are no checks"
	case len(r.Results) == 0:
		return "there are no checks, and nothing was changed"
	}
	var red []string
	for _, c := range r.Results {
		if !c.Green() {
			red = append(red, c.Name+" "+resultText(c))
		}
	}
	text := fmt.Sprintf("all %d checks passed", len(r.Results))
	if len(r.Results) == 1 {
		text = r.Results[0].Name + " passed"
	}
	if len(red) > 0 {
		text = strings.Join(red, ", ")
	}
	if !r.Changed {
		text += ", and nothing was changed"
	}
	if r.Reused {
		text += " (as before: the work is the same)"
	}
	return text
}

// resultText is the verdict of a check in words.
func resultText(c event.CheckResult) string {
	switch {
	case c.TimedOut:
		return "timed out"
	case c.Signal != 0:
		return "ended by " + syscall.Signal(c.Signal).String()
	case c.Exit != 0:
		return fmt.Sprintf("failed with %d", c.Exit)
	}
	return "passed"
}

func usageText(u event.Usage) string {
	return fmt.Sprintf("%d tokens in, %d out, $%.2f", u.InputTokens, u.OutputTokens, u.CostUSD)
}

// actionText is what an action does.
func actionText(a event.Action) string {
	switch a.Kind {
	case event.ActPrepare:
		return "make the worktree ready"
	case event.ActStart:
		if a.Resume {
			return fmt.Sprintf("start generation %d, which resumes the conversation", a.Gen)
		}
		return fmt.Sprintf("start generation %d", a.Gen)
	case event.ActDeliver:
		return fmt.Sprintf("deliver %s", a.Message)
	case event.ActLook:
		return fmt.Sprintf("look whether %s arrived", a.Message)
	case event.ActAnswer:
		return strings.TrimSpace("answer the request: " + string(a.Decision))
	case event.ActInterrupt:
		return "interrupt the agent's turn"
	case event.ActProbe:
		return fmt.Sprintf("look at the agent, of whom nothing was heard for %s", short(a.Quiet))
	case event.ActEnd:
		return "end everything that the agent started"
	case event.ActCheck:
		return fmt.Sprintf("run the checks, round %d", a.Round)
	case event.ActPublish:
		return "publish what passed"
	case event.ActClean:
		return "remove the worktree of published work"
	case event.ActKeep:
		return "keep the work under a private ref"
	case event.ActClose:
		return "close the session with the last screen"
	case event.ActRemove:
		return "remove what the task left behind"
	case event.ActRestore:
		return "restore " + a.Ref
	}
	return string(a.Kind)
}
