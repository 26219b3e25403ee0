package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/event"
)

// ending is the outcome of a task, without the parts that may depend on when a process died.
type ending struct {
	State        event.State
	Reason       event.Reason
	Attempt, Gen int
	Rounds       int
	Commits      []string       // on its branch, by subject
	Changes      string         // against the main branch, by content
	Delivered    map[string]int // by message: number of times that the conversation got it
	Messages     map[event.MessageID]event.MessageState
	Kept         int
}

// ended returns the ending of a task before the task is removed.
func (f *Fleet) ended(id event.TaskID) ending {
	t := f.task(id)
	e := ending{
		State: t.State, Reason: t.Reason, Attempt: t.Attempt, Gen: t.Gen, Rounds: t.Rounds.Count, Kept: len(t.Kept),
		Delivered: f.deliveries(id), Messages: map[event.MessageID]event.MessageState{},
	}
	for _, m := range t.Messages {
		e.Messages[m.ID] = m.State
	}
	if t.Branch != "" && f.git("for-each-ref", "refs/heads/"+t.Branch) != "" {
		if out := f.git("log", "--format=%s", "main.."+t.Branch); out != "" {
			e.Commits = strings.Split(out, "\n")
		}
		e.Changes = f.git("diff", "--raw", "--no-abbrev", "main", t.Branch)
	}
	return e
}

// strangers fails the test for branches that belong to none of the tasks.
func (f *Fleet) strangers(ids []event.TaskID) {
	var own []string
	for _, id := range ids {
		own = append(own, f.task(id).Branch)
	}
	for b := range strings.Lines(f.git("for-each-ref", "--format=%(refname:short)", "refs/heads/muster/")) {
		if b = strings.TrimSpace(b); !slices.Contains(own, b) {
			f.t.Errorf("a branch that is of no task: %s", b)
		}
	}
}

// allFenced fails the test if fleets have a fence and an agent or a job of the tasks ran without one.
func (f *Fleet) allFenced(t *testing.T, ids []event.TaskID) {
	t.Helper()
	if !inFence() {
		return
	}
	for _, id := range ids {
		if task := f.task(id); task.Gen > 0 && task.Agent.Fenced == nil {
			t.Errorf("generation %d of %s ran without a fence", task.Gen, id)
		}
		for _, j := range payloads[event.JobStarted](f, id) {
			if j.Fence == nil || j.Fence.Policy == "" {
				t.Errorf("%s of %s ran without a fence", j.Name, id)
			}
		}
	}
}

// played is the result of a scenario under a plan.
type played struct {
	endings []ending
	points  []string // the points that were passed, in order
	deaths  int
	missed  []place // places of the plan that were not reached
}

// playOnce plays a scenario in its own fleet, up to the scenario's end and the fleet's removal.
func playOnce(t *testing.T, s scenario, plan []place) (p played) {
	t.Helper()
	f, play := s.begin(t)
	f.write(planFile(f.home), planText(plan))
	ids := play()
	for _, id := range ids {
		f.until(id, "rests", taskRests)
		p.endings = append(p.endings, f.ended(id))
	}
	f.strangers(ids)
	f.oneAtATime(t)
	f.allFenced(t, ids)
	if starts := len(payloads[event.SupervisorStarted](f, "")); len(plan) == 0 && starts != 1 {
		t.Errorf("undisturbed, and %d supervisors were started", starts)
	}
	f.finish()
	w := readWalked(f.home)
	p.points, p.deaths = w.points, len(w.died)
	for i, at := range plan {
		if !w.died[i] {
			p.missed = append(p.missed, at)
		}
	}
	return p
}

// against compares the result of a plan with that of an undisturbed run.
func (p played) against(t *testing.T, undisturbed played, plan []place) {
	t.Helper()
	if diff := cmp.Diff(undisturbed.endings, p.endings); diff != "" {
		t.Errorf("killed at %s, it ends otherwise (-undisturbed +killed):\n%s", planText(plan), diff)
	}
}
