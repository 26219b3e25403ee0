package cli

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/life"
)

func TestAStoryHasFactsRuleActAndResult(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	events := func(yield func(event.Event, error) bool) {
		for i, p := range []event.Payload{
			event.RequestOpened{Reason: event.WaitQuestion, Text: "which"},
			event.DeadlineSet{Name: event.DeadlineWaiting},
			event.TaskMoved{From: event.Working, To: event.Waiting, Rule: "request.opened"},
			event.AnswerRequested{Decision: event.Reply, Text: "this"},
			event.ActionIntended{Action: event.Action{ID: "a1", Args: event.AnswerArgs{Decision: event.Reply}}},
			event.ActionFinished{ID: "a1", What: event.ActAnswer, Error: "no mailbox"},
		} {
			e := event.Event{Seq: int64(i + 1), Time: at.Add(time.Duration(i) * time.Second), Subject: event.OfTask("t1"), Data: p}
			if !yield(e, nil) {
				return
			}
		}
	}
	decisions, err := control.Decisions(events)
	if err != nil {
		t.Fatal(err)
	}
	ended := at.Add(5 * time.Second)
	want := []control.Told{
		{
			Seq: 3, Time: at.Add(2 * time.Second), Facts: []control.ToldFact{{Seq: 1, Time: at, Kind: "request.opened", Text: "the agent asks: question: which"}},
			Rule: "request.opened", Means: life.RuleText("request.opened"), From: event.Working, To: event.Waiting, Acts: []control.ToldAct{},
		},
		{
			Seq: 5, Time: at.Add(4 * time.Second), Facts: []control.ToldFact{{Seq: 4, Time: at.Add(3 * time.Second), Kind: "answer.requested", Text: "a person answered: this"}},
			Acts: []control.ToldAct{{ID: "a1", Kind: event.ActAnswer, Text: "answer the request: text", Begun: at.Add(4 * time.Second), Ended: &ended, Error: "no mailbox"}},
		},
		{
			Seq: 6, Time: ended, Facts: []control.ToldFact{{Seq: 6, Time: ended, Kind: "action.finished", Text: "a1: answer failed: no mailbox"}}, Acts: []control.ToldAct{},
		},
	}
	if d := cmp.Diff(want, control.History{Decisions: decisions}.Told()); d != "" {
		t.Errorf("story (-want +got):\n%s", d)
	}
}
