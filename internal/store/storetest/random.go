package storetest

import (
	"errors"
	"fmt"
	"time"

	"pgregory.net/rapid"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/store"
)

// giveUp is the text of the error that ends a random transaction, so that nothing is written.
const giveUp = "given up"

// RandomEvents appends a few random events to random tasks. Sometimes it returns an error at its end.
func RandomEvents(r *rapid.T, tx *store.Tx) error {
	for range rapid.IntRange(0, 8).Draw(r, "events") {
		if tx.Seq() == 0 || rapid.IntRange(0, 9).Draw(r, "birth") == 0 {
			spec := event.Spec{
				Name: text(r), Summary: text(r), Env: map[string]string{"A": text(r)},
				Priority: rapid.IntRange(-1, 1).Draw(r, "priority"),
			}
			for range rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(r, "dependencies") {
				spec.After = append(spec.After, event.NewTaskID(rapid.SampledFrom([]int{1, 2, 3, 9999}).Draw(r, "after")))
			}
			if _, err := tx.Append(tx.NewTaskID(), 0, event.DispatchRequested{Spec: spec, Prompt: text(r)}); err != nil {
				return err
			}
			continue
		}
		all := everyTask(tx)
		if len(all) == 0 || rapid.IntRange(0, 9).Draw(r, "of the fleet") == 0 {
			if _, err := tx.Append("", 0, fleetPayload(r, tx.Now())); err != nil {
				return err
			}
			continue
		}
		task := all[rapid.IntRange(0, len(all)-1).Draw(r, "task")]
		gen := rapid.IntRange(1, 3).Draw(r, "gen")
		payload := taskPayload(r, tx.Now())
		if _, moves := payload.(event.TaskMoved); moves && task.State.Final() {
			continue // a final state is final
		}
		if _, err := tx.Append(task.ID, gen, payload); err != nil {
			return err
		}
	}
	if rapid.IntRange(0, 9).Draw(r, "give up") == 0 {
		return errors.New(giveUp)
	}
	return nil
}

// everyTask returns all tasks that ever existed, oldest first.
func everyTask(tx *store.Tx) (all []life.Task) {
	for n := 1; ; n++ {
		t, ok, err := tx.Task(event.NewTaskID(n))
		if err != nil || !ok {
			return all
		}
		all = append(all, t)
	}
}

func text(r *rapid.T) string {
	return rapid.SampledFrom([]string{"", "a", "<b> & \"c\"", "line\nline", "\u2028ü", "bad \xff byte"}).Draw(r, "text")
}

func fleetPayload(r *rapid.T, now time.Time) event.Payload {
	return rapid.SampledFrom([]event.Payload{
		event.DownRequested{Mode: event.DownKill},
		event.UpRequested{},
		event.GateClosed{Reason: "disk"},
		event.GateOpened{},
		event.SupervisorStarted{PID: 3, Version: "v1"},
		event.SupervisorStopped{Why: "asked"},
		event.SupervisorUpgraded{From: "a", To: "b", Since: now.In(time.FixedZone("", 3600))},
		event.UpgradeRolledBack{From: "a", To: "b", Why: "it quit"},
		event.ServerChanged{PID: 4, Started: now.In(time.FixedZone("", 3600)), Version: "3.4"},
		event.HostSlept{Gap: time.Hour},
		event.NoticeSent{Channel: "phone", What: event.NoticeOver, Of: 3, Message: "n3"},
	}).Draw(r, "fleet payload")
}

func taskPayload(r *rapid.T, now time.Time) event.Payload {
	n := rapid.IntRange(1, 4).Draw(r, "n")
	msg, act := event.NewMessageID(n), event.NewActionID(n)
	states := []event.State{event.Queued, event.Blocked, event.Parked, event.Done, event.Failed, event.Working}
	return rapid.SampledFrom([]event.Payload{
		event.TaskMoved{To: states[n], Rule: "r", Reason: "why", Detail: text(r)},
		event.SlotGranted{},
		event.SlotReleased{},
		event.DepsMet{},
		event.StopRequested{},
		event.RetryRequested{},
		event.InterruptRequested{},
		event.WorktreeReady{Path: "/w", Branch: "b", Base: "c"},
		event.WorktreeRemoved{},
		event.WorkPublished{Mode: event.PublishPR, Commit: "c", URL: text(r)},
		event.WorkKept{Ref: fmt.Sprint(n)},
		event.StashKept{Ref: fmt.Sprint(n), Commit: "c"},
		event.TaskRemoved{},
		event.UsageRecorded{Conversation: fmt.Sprint(n), Usage: event.Usage{InputTokens: 5, CostUSD: 0.1 * float64(n)}},
		event.RoundFinished{Round: n, Results: []event.CheckResult{{Name: "t", Excerpt: text(r)}}},
		event.RoundFinished{Void: "moved"},
		event.BudgetGranted{Usage: event.Usage{Turns: n}},
		event.RequestOpened{Request: "q", Reason: event.WaitQuestion, Text: text(r), Options: []string{"x"}},
		event.RequestClosed{Request: "q"},
		event.NoticeSent{Channel: "phone", What: event.NoticeAsks, Of: 2, Message: "n2"},
		event.SendRequested{Message: msg, Text: text(r)},
		event.MessageQueued{Message: msg, Text: text(r), Why: event.WhyFeedback},
		event.AnswerRequested{Request: "q", Decision: event.Reply, Text: text(r)},
		event.MessageMoved{Message: msg, To: event.MessageAcked, Evidence: text(r)},
		event.GenerationStarted{Attempt: n, Why: event.WhyCrash, Conversation: "c"},
		event.NextPlanned{Why: event.WhyRetry, LaunchFailed: true},
		event.AgentLaunched{Process: event.ProcessRef{PID: n, Start: 1 << 60}, Pane: "%1", Session: "s"},
		event.PermissionDecided{Request: "q", Rule: "muster.toml:3", Tool: "Bash", What: text(r), Action: event.Deny, Text: text(r), By: event.DecidedByRule},
		event.FenceApplied{ABI: n, Seccomp: true, Read: n, Write: 1},
		event.AgentReported{Record: event.Record{State: event.RecordWorking, Time: now.Add(time.Duration(n)), Note: text(r), Usage: &event.Usage{Turns: n}}},
		event.AgentReported{Record: event.Record{State: event.RecordError, Error: event.ErrorOverloaded}},
		event.AgentExited{Cause: event.CauseOwn, Exit: n, Known: n > 2},
		event.Shelved{On: n > 2},
		event.RecordRefused{Source: "f", Why: text(r)},
		event.ActionIntended{Action: event.Action{ID: act, Args: event.StartArgs{Messages: []event.MessageID{msg}}}},
		event.ActionFinished{ID: act, What: event.ActStart},
		event.DeadlineSet{Name: event.DeadlineStall, At: now.Add(time.Duration(n) * time.Hour).In(time.FixedZone("", -3600))},
		event.DeadlineSet{Name: event.DeadlineKeep, At: now},
		event.DeadlineCleared{Name: event.DeadlineStall},
		event.DeadlineCleared{Name: event.DeadlineKeep},
		event.Unknown{Name: "moon.landed", Raw: []byte(`{"x":1}`)},
	}).Draw(r, "payload")
}
