package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/event"
	"muster/internal/life"
)

func TestEveryKindOfEventIsToldInWords(t *testing.T) {
	t.Parallel()
	for _, kind := range event.Kinds() {
		p, err := event.Decode(kind, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if got := tell(event.Event{Data: p}); got == "" {
			t.Errorf("%s: nothing is told", kind)
		}
	}
}

func TestWhatAnAgentWroteCannotLeaveItsLine(t *testing.T) {
	t.Parallel()
	got := tell(event.Event{Data: event.AgentReported{Record: event.Record{State: event.RecordWorking, Note: "a\x1b[2Jb\rc\u202ed"}}})
	if want := "the agent reported working: ab cd"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAStoryHasFactsRuleActAndResult(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var s story
	for i, p := range []event.Payload{
		event.RequestOpened{Reason: event.WaitQuestion, Text: "which"},
		event.DeadlineSet{Name: event.DeadlineWaiting},
		event.TaskMoved{From: event.Working, To: event.Waiting, Rule: "request.opened"},
		event.AnswerRequested{Decision: event.Reply, Text: "this"},
		event.ActionIntended{Action: event.Action{ID: "a1", Kind: event.ActAnswer, Decision: event.Reply}},
		event.ActionFinished{ID: "a1", What: event.ActAnswer, Error: "no mailbox"},
	} {
		s.take(event.Event{Seq: int64(i + 1), Time: at.Add(time.Duration(i) * time.Second), Task: "t1", Data: p})
	}
	ended := at.Add(5 * time.Second)
	want := []intervention{
		{
			Seq: 3, Time: at.Add(2 * time.Second), Facts: []fact{{Seq: 1, Time: at, Kind: "request.opened", Text: "the agent asks: question: which"}},
			Rule: "request.opened", Means: life.RuleText("request.opened"), From: event.Working, To: event.Waiting, Acts: []act{},
		},
		{
			Seq: 5, Time: at.Add(4 * time.Second), Facts: []fact{{Seq: 4, Time: at.Add(3 * time.Second), Kind: "answer.requested", Text: "a person answered: this"}},
			Acts: []act{{ID: "a1", Kind: event.ActAnswer, Text: "answer the request: text", Begun: at.Add(4 * time.Second), Ended: &ended, Error: "no mailbox"}},
		},
		{
			Seq: 6, Time: ended, Facts: []fact{{Seq: 6, Time: ended, Kind: "action.finished", Text: "a1: answer failed: no mailbox"}}, Acts: []act{},
		},
	}
	if d := cmp.Diff(want, s.end()); d != "" {
		t.Errorf("story (-want +got):\n%s", d)
	}
}

func TestEveryTaskThatWantsAPersonHasANextStep(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, c := range newRoot(Env{}).Commands() {
		known[c.Name()] = true
	}
	ask := &event.RequestOpened{Reason: event.WaitPermission, Tool: "Bash"}
	tasks := []life.Task{
		{ID: "t1", State: event.Waiting, Request: ask},
		{ID: "t1", State: event.Waiting, Request: &event.RequestOpened{Reason: event.WaitQuestion, Options: []string{"a"}}},
		{ID: "t1", State: event.Waiting, Request: &event.RequestOpened{Reason: event.WaitDialog}},
		{ID: "t1", State: event.Stalled},
		{ID: "t1", State: event.Failed, Branch: "muster/t1"},
		{ID: "t1", State: event.Cancelled, Branch: "muster/t1", Removed: true, Kept: []string{"refs/muster/keep/t1/1"}},
	}
	for _, r := range []event.Reason{
		life.ReasonDependency, life.ReasonPrepare, life.ReasonLaunch, life.ReasonPermission, life.ReasonQuestion, life.ReasonDialog,
		life.ReasonSilent, life.ReasonAPI, life.ReasonAuth, life.ReasonBilling, life.ReasonContextFull, life.ReasonRounds,
		life.ReasonNoProgress, life.ReasonNoChange, life.ReasonChecksBroken, life.ReasonPublish, life.ReasonReview,
	} {
		tasks = append(tasks, life.Task{ID: "t1", State: event.Parked, Reason: r})
	}
	for _, task := range tasks {
		steps := nextSteps(task)
		if len(steps) == 0 {
			t.Errorf("%s (%s): no next step", task.State, task.Reason)
		}
		for _, s := range steps {
			words := strings.Fields(s)
			if len(words) < 2 || words[0] != "muster" || !known[words[1]] {
				t.Errorf("%s (%s): %q is no verb of muster", task.State, task.Reason, s)
			}
		}
	}
}
