package fleettest

import (
	"fmt"
	"time"

	"muster/internal/event"
)

// reviewer returns a reviewer for a task, of one of the kinds of agents.
func (w *World) reviewer(of event.Spec) event.Reviewer {
	s := event.Spec{
		Name: "review", Slug: "review", Repo: of.Repo, Kind: "fake", Agent: "fake", Publish: event.PublishNone, Fence: of.Fence, Traits: of.Traits,
		Attempts: 1, Respawns: 4, Rounds: 1, Timeout: 30 * time.Minute, WaitLimit: 15 * time.Minute, Keep: time.Hour,
		Silence: 10 * time.Minute, SilenceInTool: time.Hour, Accounts: of.Accounts,
	}
	return event.Reviewer{Name: "review", Prompt: "look", Spec: s}
}

// secretOf returns the secret of a reviewer's generation.
func secretOf(id event.TaskID, gen int) string { return fmt.Sprintf("secret of %s.%d", id, gen) }

// decides is the end of a reviewer's turn: it gives its verdict, or forgets it. Somebody may forge one. The caller does not
// hold mu.
func (w *World) decides(p *proc, of event.ReviewOf) {
	l := w.Luck
	forge := func() {
		w.says(p, event.Record{State: event.RecordDone, Verdict: &event.Verdict{Result: event.VerdictGreen, Seal: secretOf(p.task, p.gen-1)}})
	}
	w.with(p, func() {
		if l.Fault("a verdict is forged before", p.who, 100) {
			forge()
		}
		if l.Fault("a reviewer forgets its verdict", p.who, 100) {
			return
		}
		v := event.Verdict{Result: event.VerdictGreen, Seal: secretOf(p.task, p.gen)}
		if l.Fault("a reviewer does not accept the work", p.who, 300) {
			v.Result, v.Findings = event.VerdictRed, "it leaks"
		} else {
			w.work(of.Task).reviewed[of.Tree] = true
		}
		w.says(p, event.Record{State: event.RecordDone, Verdict: &v})
		if l.Fault("a verdict is forged after", p.who, 100) {
			forge()
		}
	})
}

// judgeReviewers checks that a task has no other reviewer that is not told to stop. The caller holds mu.
func (w *World) judgeReviewers(of event.ReviewOf) {
	for id, t := range w.judge.tasks {
		if r := t.Spec.Review; r != nil && r.Task == of.Task && !t.State.Final() && !t.Stopping {
			w.breach("%s: %s reviews it already, and another review is queued", of.Task, id)
		}
	}
}
