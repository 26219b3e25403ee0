package life

import (
	"strings"
	"testing"

	"muster/internal/event"
)

// demanding lets work with deleted tests have a reaction.
func demanding(r event.Reaction) func(*event.Spec) {
	return func(s *event.Spec) { s.Done.DeletedTests = r }
}

// finding is a round on work without a test that was there.
func finding(r event.RoundFinished) event.RoundFinished {
	r.Findings = []event.Finding{{Kind: event.DeletedTests, Files: []string{"a_test.go"}, Text: "tests were deleted: a_test.go"}}
	return r
}

func TestGreenWorkWithAFindingGoesBackToItsAgentOnceAndThenToAPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t, demanding(event.ReactionBack))
	w.work().endTurn().finish(event.ActCheck, finding(green("x")))
	w.want(event.Working, "").wantMessage("m1", event.MessageSending)
	for _, want := range []string{"passes its checks", "a_test.go", "Bring them back"} {
		if !strings.Contains(w.text("m1"), want) {
			t.Errorf("the agent is told %q, which lacks %q", w.text("m1"), want)
		}
	}
	w.take().endTurn().finish(event.ActCheck, finding(green("x")))
	w.want(event.Parked, "deleted_tests")
	if w.count(event.ActPublish) != 0 {
		t.Error("the work was published")
	}
}

func TestWorkWhoseFindingIsMendedIsPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t, demanding(event.ReactionBack))
	w.work().endTurn().finish(event.ActCheck, finding(green("x")))
	w.take().endTurn().finish(event.ActCheck, green("y"))
	w.want(event.Publishing, "").wantOpen(event.ActPublish)
}

func TestRedWorkIsToldItsFindingsToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, demanding(event.ReactionBack))
	w.work().endTurn().finish(event.ActCheck, finding(red("x", "no")))
	if text := w.text("m1"); !strings.Contains(text, "does not pass") || !strings.Contains(text, "a_test.go") {
		t.Errorf("the agent is told %q", text)
	}
}

// A person is asked about work only when its checks are green: red work is the agent's.
func TestRedWorkIsNotParkedForAFinding(t *testing.T) {
	t.Parallel()
	w := newWorld(t, demanding(event.ReactionPark))
	w.work().endTurn().finish(event.ActCheck, finding(red("x", "no")))
	w.want(event.Working, "")
}

func TestWhatAPersonAllowsIsPublished(t *testing.T) {
	t.Parallel()
	for _, reaction := range []event.Reaction{event.ReactionBack, event.ReactionPark} {
		w := newWorld(t, demanding(reaction))
		w.work().endTurn().finish(event.ActCheck, finding(green("x")))
		if reaction == event.ReactionBack {
			w.take().endTurn().finish(event.ActCheck, finding(green("x")))
		}
		w.want(event.Parked, "deleted_tests")
		w.calm().write(event.RetryRequested{Allow: []event.FindingKind{event.DeletedTests}})
		w.prepare().launch()
		w.prompted()
		w.endTurn().finish(event.ActCheck, finding(green("x")))
		w.want(event.Publishing, "")
	}
}

func TestAllowingOneFindingAllowsNoOther(t *testing.T) {
	t.Parallel()
	round := finding(green("x"))
	round.Findings = append(round.Findings, event.Finding{Kind: event.TooLarge, Text: "the change is too large"})
	task := Task{Spec: event.Spec{Done: event.Demands{DeletedTests: event.ReactionPark, TooLarge: event.ReactionPark}}, Allowed: []event.FindingKind{event.DeletedTests}}
	if back, park := refused(task, round.Findings); len(back) != 0 || park == nil || park.Kind != event.TooLarge {
		t.Errorf("back %v, park %v", back, park)
	}
}

func TestATurnWithoutChange(t *testing.T) {
	t.Parallel()
	unchanged := green("x")
	unchanged.Changed = false
	for reaction, want := range map[event.Reaction]event.State{
		"": event.Working, event.ReactionBack: event.Working, event.ReactionPark: event.Parked, event.ReactionAllow: event.Publishing,
	} {
		w := newWorld(t, func(s *event.Spec) { s.Done.NoChange = reaction })
		w.work().endTurn().finish(event.ActCheck, unchanged)
		if w.task.State != want {
			t.Errorf("no_change = %q: it is %s, want %s", reaction, w.task.State, want)
		}
	}
}
