package cli

import (
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/words"
)

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
		{ID: "t1", State: event.Working, Agent: life.Agent{Live: true, Turn: life.TurnInterrupted}},
		{ID: "t1", State: event.Failed, Branch: "muster/t1"},
		{ID: "t1", State: event.Cancelled, Branch: "muster/t1", Removed: true, Kept: []string{"refs/muster/keep/t1/1"}},
	}
	for _, r := range []event.Reason{
		life.ReasonDependency, life.ReasonPrepare, life.ReasonLaunch, life.ReasonPermission, life.ReasonQuestion, life.ReasonDialog,
		life.ReasonSilent, life.ReasonAPI, life.ReasonAuth, life.ReasonBilling, life.ReasonContextFull, life.ReasonRounds,
		life.ReasonNoProgress, life.ReasonNoChange, life.ReasonChecksBroken, life.ReasonPublish, life.ReasonReview, life.ReasonCI,
	} {
		tasks = append(tasks, life.Task{ID: "t1", State: event.Parked, Reason: r})
	}
	for _, task := range tasks {
		steps := words.NextSteps(task)
		if len(steps) == 0 {
			t.Errorf("%s (%s): no next step", task.State, task.Reason)
		}
		for _, s := range steps {
			if line := strings.Fields(s.String()); line[0] != "muster" || line[1] != s.Verb || !known[s.Verb] {
				t.Errorf("%s (%s): %q does not name a verb of muster", task.State, task.Reason, s)
			}
		}
	}
}
