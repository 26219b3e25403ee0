package e2e

import (
	"testing"

	"muster/internal/event"
	"muster/internal/life"
)

// TestReview_OutlivesTheSupervisor kills the supervisor while a reviewer works. The next one takes the reviewer up, and no
// second one is started.
func TestReview_OutlivesTheSupervisor(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	wait := f.shared + "/decide"
	f.write(f.repo+"/muster.toml", `[checks]
text = "test -s a.txt"
review = { agent = "critic", prompt = "Is it right?" }
[agents.critic]
kind = "command"
command = ["sh", "-c", "while ! test -e `+wait+`; do sleep 0.05; done; muster verdict green"]
`)
	f.git("add", "-A")
	f.git("commit", "-q", "-m", "checks")
	id := f.dispatch("write a.txt <<x\ndone")
	reviewer := f.until(id, "is under review", func(t life.Task) bool { return t.Inspection != nil && t.Inspection.Reviewer != "" }).Inspection.Reviewer
	f.reaches(reviewer, event.Working)
	pid := f.task(reviewer).Agent.Process.PID
	f.kill(f.only("supervise"))
	f.write(wait, "")
	got := f.reaches(id, event.Done, event.Parked, event.Failed)
	f.reaches(reviewer, event.Done)
	if got.State != event.Done {
		t.Fatalf("the task is %s: %s", got.State, got.Detail)
	}
	if begun := payloads[event.ReviewBegun](f, id); len(begun) != 1 {
		t.Errorf("%d reviews were begun", len(begun))
	}
	if launched := payloads[event.AgentLaunched](f, reviewer); len(launched) != 1 || launched[0].Process.PID != pid {
		t.Errorf("the reviewer was launched as %+v, and process %d was there when the supervisor was killed", launched, pid)
	}
	ends := payloads[event.ReviewFinished](f, id)
	if len(ends) != 1 || !ends[0].Green || ends[0].Tree != got.Published.Tree {
		t.Errorf("the reviews ended as %+v, and the published tree is %s", ends, got.Published.Tree)
	}
}
