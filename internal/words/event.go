package words

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/text"
)

// maxLine is the maximum length of a description in bytes.
const maxLine = 400

// Event describes an event in one line.
func Event(e event.Event) string {
	for _, part := range []func(event.Event) (string, bool){requestEvent, agentEvent, workEvent, taskEvent, accountEvent, mergeEvent, noticeEvent, fleetEvent} {
		if line, ok := part(e); ok {
			return text.Field(line, maxLine)
		}
	}
	return ""
}

// requestEvent describes a person's request.
func requestEvent(e event.Event) (string, bool) {
	switch p := e.Data.(type) {
	case event.DispatchRequested:
		return "queued: " + cmp.Or(p.Spec.Summary, p.Spec.Name), true
	case event.SendRequested:
		return fmt.Sprintf("a person sent %s%s: %s", p.Message, through(p.Front), FirstLine(p.Text)), true
	case event.AnswerRequested:
		return "a person answered: " + answer(p), true
	case event.InterruptRequested:
		return "a person asked to interrupt the turn" + through(p.Front), true
	case event.StopRequested:
		return "a person asked to stop the task" + through(p.Front), true
	case event.RetryRequested:
		if len(p.Allow) > 0 {
			return fmt.Sprintf("a person asked to try again%s, and allowed %s", through(p.Front), p.Allow), true
		}
		return "a person asked to try again" + through(p.Front), true
	case event.RemoveRequested:
		if p.Force {
			return "a person asked to remove it" + through(p.Front) + ", whatever is in it", true
		}
		return "a person asked to remove it" + through(p.Front), true
	case event.RestoreRequested:
		return "a person asked to restore " + p.Ref + through(p.Front), true
	case event.DownRequested:
		return fmt.Sprintf("a person told the fleet to be down (%s)", p.Mode), true
	case event.UpRequested:
		return "a person told the fleet to be up", true
	}
	return "", false
}

// Front returns where a person asked for something, in words; "" if that is not known.
func Front(d event.Front) string {
	switch d {
	case event.FrontVerb:
		return "on a command line"
	case event.FrontTop:
		return "in muster top"
	case event.FrontPage:
		return "on the page"
	case event.FrontAPI:
		return "by the API"
	case event.FrontNtfy:
		return "by a message"
	}
	return ""
}

// through returns where a person asked for something, for the middle of a sentence; "" for a command line, and if it is not known.
func through(d event.Front) string {
	if said := Front(d); said != "" && d != event.FrontVerb {
		return " (" + said + ")"
	}
	return ""
}

// answer describes an answer.
func answer(p event.AnswerRequested) string {
	via := through(p.Front)
	if p.Via != "" {
		via = " (by the channel " + p.Via + ")"
	}
	if p.Decision == event.Reply {
		return FirstLine(p.Text) + via
	}
	return strings.TrimSpace(string(p.Decision)+" "+FirstLine(p.Text)) + via
}

// agentEvent describes the agent and the messages to it.
func agentEvent(e event.Event) (string, bool) {
	switch p := e.Data.(type) {
	case event.GenerationStarted:
		return fmt.Sprintf("generation %d begins, attempt %d: %s", e.Gen, p.Attempt, Why(p.Why)), true
	case event.NextPlanned:
		if p.Why == "" {
			return "no further generation is needed", true
		}
		return "a further generation is planned: " + Why(p.Why), true
	case event.AgentLaunched:
		return fmt.Sprintf("the agent runs as process %d in session %s", p.Process.PID, p.Session), true
	case event.FenceApplied:
		return Fence(p), true
	case event.AgentReported:
		return "the agent reported " + Record(p.Record), true
	case event.AgentExited:
		return "the agent " + Exit(p.Cause, p.Exit, p.Signal, p.Known), true
	case event.AgentProbed:
		if p.Tool == "" && p.Screen != "" {
			return fmt.Sprintf("the agent was probed after its start: its screen stands still at %q, and is kept in %s", p.Screen, p.Evidence), true
		}
		text := "no tool call is open"
		if p.Tool != "" {
			text = "its tool " + p.Tool + " has not ended"
		}
		return fmt.Sprintf("the silent agent was probed: %s; its screen is kept in %s", text, p.Evidence), true
	case event.SilenceDoubted:
		return fmt.Sprintf("silent for %s, like most of the fleet: probably the machine or the network, so it does not count against the agent", Duration(p.Quiet)), true
	case event.StallStaged:
		return "next step against its silence: " + string(p.Stage), true
	case event.RecordRefused:
		return fmt.Sprintf("not obeyed, from its %s file: %s", cmp.Or(p.Source, "status"), p.Why), true
	case event.RequestOpened:
		return "the agent asks: " + Request(p), true
	case event.RequestClosed:
		return "the request is closed: " + p.How, true
	case event.PermissionDecided:
		return Permission(p), true
	case event.MessageQueued:
		return fmt.Sprintf("%s queued for the agent (%s): %s", p.Message, Why(p.Why), FirstLine(p.Text)), true
	case event.MessageMoved:
		text := fmt.Sprintf("%s is %s", p.Message, p.To)
		if p.Evidence != "" {
			text += " (" + p.Evidence + ")"
		}
		return text, true
	case event.UsageRecorded:
		return Usage(p.Usage), true
	case event.BudgetGranted:
		return "the budget is granted once more", true
	}
	return "", false
}

// workEvent describes the agent's work.
func workEvent(e event.Event) (string, bool) {
	switch p := e.Data.(type) {
	case event.WorktreeReady:
		return fmt.Sprintf("worktree %s is ready on branch %s", p.Path, p.Branch), true
	case event.WorktreeRemoved:
		if p.SetAside != "" {
			return "the worktree could not be kept in its repository; its files are in " + p.SetAside, true
		}
		return "the worktree is removed", true
	case event.JobStarted:
		text := fmt.Sprintf("process %d runs %s", p.Process.PID, p.Name)
		if p.Run > 1 {
			text += fmt.Sprintf(" (run %d, since the run before left no result)", p.Run)
		}
		if p.Fence != nil {
			text += " " + VerdictFence(nil, p.Fence)
		}
		return text + "; only a result that it signs counts", true
	case event.RoundFinished:
		return fmt.Sprintf("round %d: %s", p.Round, Round(p)), true
	case event.ReviewWanted, event.ReviewBegun, event.ReviewFinished, event.ReviewerSealed:
		return review(p), true
	case event.WorkPublished:
		where := cmp.Or(p.URL, p.Branch)
		if p.Mode == event.PublishNone {
			where = "nowhere, as it was asked for"
		}
		if p.Remote != "" && p.URL == "" {
			where += " on " + p.Remote
		}
		if p.Merged != "" {
			return fmt.Sprintf("merged: the base has %s in the commit %.10s", p.Branch, p.Merged), true
		}
		if p.Mode == event.PublishMerge {
			return "complete on " + p.Branch + ", to be merged", true
		}
		return "published: " + where, true
	case event.RaceDecided:
		return "the race is over, " + raceEnd(e.Task, p), true
	case event.ReviewTold:
		return "its review goes back to the agent: " + FirstLine(p.Key), true
	case event.WorkKept:
		return "the work is kept under " + p.Ref, true
	case event.StashKept:
		return fmt.Sprintf("an entry of the shared stash vanished (%s); it is kept: git stash apply %s", FirstLine(p.Text), p.Ref), true
	case event.TaskRemoved:
		return "the task is removed; its branch and its events stay", true
	}
	return "", false
}

// taskEvent describes the task as a whole.
func taskEvent(e event.Event) (string, bool) {
	switch p := e.Data.(type) {
	case event.TaskMoved:
		text := fmt.Sprintf("%s → %s: %s", p.From, p.To, cmp.Or(life.RuleText(p.Rule), p.Rule))
		if p.Detail != "" {
			text += " (" + FirstLine(p.Detail) + ")"
		}
		return text, true
	case event.ActionIntended:
		return fmt.Sprintf("%s: is going to %s", p.Action.ID, Action(p.Action)), true
	case event.ActionFinished:
		if p.Error != "" {
			return fmt.Sprintf("%s: %s failed: %s", p.ID, p.What, p.Error), true
		}
		return fmt.Sprintf("%s: %s is done", p.ID, p.What), true
	case event.ActionPutOff:
		if p.Place == event.PlaceRemote {
			return fmt.Sprintf("%s: %s is put off, since the remote cannot be used now: %s", p.ID, p.What, p.Why), true
		}
		return fmt.Sprintf("%s: %s is put off, since the %s lacks something: %s", p.ID, p.What, p.Place, p.Why), true
	case event.ActionBegun:
		return fmt.Sprintf("%s: what was put off has begun", p.ID), true
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
		return "every task that it depends on is done", true
	case event.DepsFailed:
		return fmt.Sprintf("%s is %s", p.On, p.State), true
	}
	return "", false
}

// fleetEvent describes the fleet and its machine.
func fleetEvent(e event.Event) (string, bool) {
	switch p := e.Data.(type) {
	case event.GateClosed:
		return "nothing new starts: " + p.Reason, true
	case event.GateOpened:
		return "tasks start again", true
	case event.SupervisorStarted:
		return fmt.Sprintf("supervisor %s started as process %d and took up %s", p.Version, p.PID, Count(p.Adopted, "task")), true
	case event.SupervisorUpgraded:
		return fmt.Sprintf("%s supervises in place of %s", p.To, p.From), true
	case event.UpgradeRolledBack:
		return fmt.Sprintf("rolled back to %s: %s did not become ready: %s", p.From, p.To, p.Why), true
	case event.SupervisorStopped:
		return "the supervisor stopped: " + p.Why, true
	case event.ServerChanged:
		return fmt.Sprintf("tmux %s holds the fleet, process %d", p.Version, p.PID), true
	case event.RecurringRan:
		return recurring(p), true
	case event.HostSlept:
		return "the machine slept for " + Duration(p.Gap), true
	}
	return "", false
}
