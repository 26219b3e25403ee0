package words

import (
	"strings"

	"muster/internal/event"
	"muster/internal/life"
)

// Step is a command by which a person continues a task.
type Step struct {
	Verb string       // the verb of muster: answer, retry, …
	Task event.TaskID // the task in the command; "" for a verb without one
	Args []string     // further arguments; the person replaces words in capitals
	When string       // what the person has to do first; "" for nothing
}

// Command returns the command line.
func (s Step) Command() string {
	line := []string{"muster", s.Verb}
	if s.Task != "" {
		line = append(line, string(s.Task))
	}
	return strings.Join(append(line, s.Args...), " ")
}

// String returns the command line, followed by what the person has to do first.
func (s Step) String() string {
	if s.When != "" {
		return s.Command() + "   (" + s.When + ")"
	}
	return s.Command()
}

// NextSteps returns the commands by which a person continues a task from its present state. There are none while it
// continues without help.
func NextSteps(t life.Task) []Step {
	switch {
	case t.Removed:
		return removedSteps(t)
	case t.Spec.Review != nil && t.State.Final():
		return nil // its verdict is with the work
	case t.Request != nil && (t.State == event.Waiting || t.State == event.Parked):
		return answerSteps(t)
	case t.State == event.Parked:
		return parkedSteps(t)
	case t.State == event.Stalled:
		return []Step{about(t.ID, "attach"), about(t.ID, "interrupt")}
	case t.State == event.Working && t.Agent.Live && t.BrokenOffByPerson():
		judge := about(t.ID, "interrupt")
		judge.When = "to have its work judged as it is"
		return []Step{about(t.ID, "send", "TEXT"), judge}
	case t.State == event.Failed || t.State == event.Cancelled:
		if t.Branch == "" {
			return nil
		}
		return []Step{about(t.ID, "diff"), Continue(t.ID), about(t.ID, "rm")}
	case t.State == event.Done && t.Published != nil && t.Published.Branch != "":
		return []Step{about(t.ID, "diff")}
	}
	return nil
}

// Continue returns the step that starts a new task from the work of an ended one.
func Continue(id event.TaskID) Step {
	return Step{Verb: "dispatch", Args: []string{"--base", "@" + string(id), "PROMPT"}}
}

func about(id event.TaskID, verb string, args ...string) Step {
	return Step{Verb: verb, Task: id, Args: args}
}

func removedSteps(t life.Task) []Step {
	if len(t.Kept) == 0 {
		return nil
	}
	return []Step{about(t.ID, "restore")}
}

// answerSteps returns the steps that answer an open request.
func answerSteps(t life.Task) []Step {
	id, r := t.ID, *t.Request
	switch {
	case r.Reason == event.WaitDialog, r.Request == "" && t.State == event.Waiting:
		return []Step{about(id, "attach")}
	case r.Reason == event.WaitPermission:
		deny := about(id, "answer", "deny", "--reason", "TEXT")
		if r.Ask == nil || r.Ask.Cut {
			return []Step{deny, about(id, "attach")}
		}
		return []Step{about(id, "answer", "allow", "--hash", r.Ask.Hash[:min(12, len(r.Ask.Hash))]), deny}
	case len(r.Questions()) > 1:
		return []Step{about(id, "answer", "--question", "1=ANSWER", "--question", "2=ANSWER")}
	case len(r.Options) > 0:
		return []Step{about(id, "answer", "NUMBER"), about(id, "answer", "TEXT")}
	}
	return []Step{about(id, "answer", "TEXT")}
}

// parkedSteps returns the steps for a parked task. They depend on the reason.
func parkedSteps(t life.Task) []Step {
	retry := about(t.ID, "retry")
	if life.OfFinding(t.Reason) {
		allow := about(t.ID, "retry", "--allow", string(t.Reason))
		allow.When = "to take the work as it is"
		return []Step{about(t.ID, "diff"), allow, about(t.ID, "send", "TEXT")}
	}
	switch t.Reason {
	case life.ReasonRounds, life.ReasonNoProgress, life.ReasonNoChange:
		return []Step{about(t.ID, "checks"), about(t.ID, "send", "TEXT"), retry}
	case life.ReasonDialog:
		retry.When = "once what its screen asks is settled, by starting the agent yourself"
		return []Step{about(t.ID, "attach"), retry}
	case life.ReasonSilent, life.ReasonQuit:
		return []Step{about(t.ID, "attach"), retry}
	case life.ReasonFlood:
		return []Step{about(t.ID, "logs"), retry}
	case life.ReasonBudget:
		retry.When = "grants the same budget once more"
	case life.ReasonCI:
		retry.When = "has it wait as long again; it goes on by itself when its checks have a verdict, or it is merged"
	case life.ReasonAuth, life.ReasonBilling:
		retry.When = "once the account is in order"
	case life.ReasonContextFull:
		return []Step{Continue(t.ID), retry}
	case life.ReasonDependency:
		return []Step{{Verb: "ls"}, retry}
	}
	return []Step{retry}
}
