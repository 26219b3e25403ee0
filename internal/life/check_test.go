package life

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"muster/internal/event"
)

func TestTaskWithoutChecksIsGreenAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	w.finish(event.ActCheck, event.RoundFinished{Tree: "x", Changed: true})
	w.want(event.Publishing, "")
	if w.task.Detail != "no checks" {
		t.Errorf("detail %q, want it to say that there are none", w.task.Detail)
	}
}

func TestNothingChangedIsDoneOnlyWhereNothingIsPublished(t *testing.T) {
	t.Parallel()
	nothing := event.RoundFinished{Tree: "x"}
	w := newWorld(t, func(s *event.Spec) { s.Publish = event.PublishNone }).work().endTurn()
	w.finish(event.ActCheck, nothing)
	w.want(event.Publishing, "").finish(event.ActPublish)
	w.finish(event.ActEnd)
	w.want(event.Done, "").advance(48 * time.Hour)
	w.wantOpen() // everything stays until the task is removed

	w = newWorld(t).work().endTurn()
	w.finish(event.ActCheck, nothing)
	w.want(event.Working, "")
	if text := w.text("m1"); !strings.Contains(text, "nothing in the worktree has changed") {
		t.Errorf("the agent is told: %s", text)
	}
}

func TestSessionOfDoneWorkIsClosedAfterItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	w.finish(event.ActCheck, green("x"))
	w.calm().want(event.Done, "").advance(24*time.Hour - time.Second)
	w.wantOpen().advance(time.Second)
	w.wantOpen(event.ActClose).finish(event.ActClose)
	if w.task.Busy() {
		t.Errorf("it is still looked after: %s", asJSON(w.task))
	}
}

func TestCrashOfAnIdleAgentLeavesItsChecksAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn().crash()
	w.want(event.Checking, "").wantOpen(event.ActCheck).finish(event.ActCheck, red("x", "no"))
	w.want(event.Starting, event.Reason(event.WhyFeedback)).wantGen(2, 1)
	if a := argsOf[event.StartArgs](w); !a.Resume || !slices.Equal(a.Messages, []event.MessageID{"m1"}) {
		t.Errorf("started by %+v, want the feedback in the same conversation", a)
	}
}

func TestAgentThatWorksOnDuringChecksAndDiesIsStartedAgain(t *testing.T) {
	t.Parallel()
	for cause, attempt := range map[event.ExitCause]int{event.CauseOwn: 2, event.CauseLost: 1} {
		w := newWorld(t).work().endTurn()
		w.says(event.RecordWorking)
		w.exit(cause, 1)
		w.want(event.Starting, w.task.Reason).wantGen(2, attempt)
		w.finish(event.ActCheck, green("x")) // the verdict is about half a turn
		w.want(event.Starting, w.task.Reason).wantOpen(event.ActStart)
	}
}

func TestWorkThatMovesUnderItsChecks(t *testing.T) {
	t.Parallel()
	moved := green("x")
	moved.Moved = true
	w := newWorld(t).work().endTurn()
	for range maxVoids - 1 {
		w.finish(event.ActCheck, moved)
		w.want(event.Checking, "").wantOpen(event.ActCheck)
	}
	w.finish(event.ActCheck, moved)
	w.want(event.Working, "")
	if text := w.text("m1"); !strings.Contains(text, "changed while the checks ran") || !strings.Contains(text, "test") {
		t.Errorf("the agent is told: %s", text)
	}
	w.take().endTurn()
	if a := argsOf[event.CheckArgs](w); a.Known != "" || a.Round != 2 {
		t.Errorf("checks %+v, want round 2 and no verdict of a tree that moved", a)
	}
}

func TestGreenVerdictIsReusedForTheSameTree(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	w.finish(event.ActCheck, green("x"))
	w.fail(event.ActPublish, FailMoved)
	a := argsOf[event.CheckArgs](w)
	if judged, ok := Reuse(w.task, a, "x", true, "e"); !ok || len(judged.Results) != 1 {
		t.Errorf("%+v does not reuse the green verdict", a)
	}
	for _, other := range []bool{true, false} {
		tree := map[bool]string{true: "y", false: "x"}[other]
		if _, ok := Reuse(w.task, a, tree, other, "e"); ok {
			t.Errorf("the verdict of x stands for tree %s, changed %v", tree, other)
		}
	}
	for _, other := range []string{"another", ""} {
		if _, ok := Reuse(w.task, a, "x", true, other); ok {
			t.Errorf("a verdict in environment e stands for %q", other)
		}
	}
}

// An older version has not recorded in which environment it judged.
func TestVerdictWithoutAnEnvironmentIsNotReused(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	old := green("x")
	old.Environment = ""
	w.finish(event.ActCheck, old)
	w.fail(event.ActPublish, FailMoved)
	for _, now := range []string{"e", ""} {
		if _, ok := Reuse(w.task, argsOf[event.CheckArgs](w), "x", true, now); ok {
			t.Errorf("it stands for %q", now)
		}
	}
	again := old
	again.Reused = true
	if wrong := BrokenBy(w.task, event.Event{Subject: event.OfTask(w.task.ID), Data: again}); wrong == "" {
		t.Error("nothing is wrong with its reuse")
	}
}

// The cause of a red check may be outside the tree, so the checks run again before the task is parked for no
// progress.
func TestRedVerdictIsAskedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	w.finish(event.ActCheck, red("x", "no"))
	w.take().endTurn()
	a := argsOf[event.CheckArgs](w)
	if _, ok := Reuse(w.task, a, "x", true, "e"); ok || a.Known != "" || a.Round != 2 {
		t.Errorf("checks %+v, want round 2, and nothing known", a)
	}
	w.finish(event.ActCheck, red("x", "no"))
	w.want(event.Parked, ReasonNoProgress)
}

func TestChecksThatCannotBeRunAreTriedThreeTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	for range maxVoids - 1 {
		w.fail(event.ActCheck, FailAgain)
		w.want(event.Checking, "")
	}
	w.finish(event.ActCheck) // no failure, and no result
	w.want(event.Parked, ReasonChecksBroken)
	if w.task.Rounds.Spent != 0 {
		t.Errorf("%d rounds spent", w.task.Rounds.Spent)
	}
	w.calm().write(event.RetryRequested{})
	w.prepare().launch().prompted()
	w.endTurn().fail(event.ActCheck, FailAgain)
	w.want(event.Checking, "")
}

func TestSameFailureOnChangedWorkIsProgress(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	w.finish(event.ActCheck, red("x", "no"))
	w.take().endTurn().finish(event.ActCheck, red("y", "no"))
	w.want(event.Working, "").take().endTurn().finish(event.ActCheck, red("y", "another"))
	w.want(event.Working, "")
}

func TestRetryAfterRoundsTellsTheVerdictAndGivesAFreshAllowance(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *event.Spec) { s.Rounds = 2 }).work().endTurn()
	w.finish(event.ActCheck, red("a", "no"))
	w.take().endTurn().finish(event.ActCheck, red("b", "never"))
	w.want(event.Parked, ReasonRounds).finish(event.ActEnd)
	w.write(event.RetryRequested{})
	w.prepare()
	if a := argsOf[event.StartArgs](w); !slices.Equal(a.Messages, []event.MessageID{"m2"}) || !strings.Contains(w.text("m2"), "never") {
		t.Errorf("started by %+v, want the verdict that it was never told", a)
	}
	w.launch().prompted()
	w.endTurn().finish(event.ActCheck, red("c", "no"))
	w.want(event.Working, "").take().endTurn().finish(event.ActCheck, red("d", "no"))
	w.want(event.Parked, ReasonRounds)
}

func TestWorkThatMovesUnderItsPublicationWithoutEndParks(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	for range 100 {
		w.finish(event.ActCheck, green("x"))
		w.fail(event.ActPublish, FailMoved)
		if w.task.State == event.Parked {
			w.want(event.Parked, ReasonPublish)
			return
		}
	}
	t.Error("it moves for ever")
}

func TestWorktreeIsNotCleanedBeforeItsWorkIsPublished(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	w.finish(event.ActCheck, green("x"))
	w.do(Shelve{})
	w.exit(event.CauseOwn, 0)
	w.wantOpen(event.ActPublish).finish(event.ActPublish, publishedFact())
	w.wantOpen(event.ActEnd).finish(event.ActEnd)
	w.wantOpen(event.ActClean).fail(event.ActClean, FailAgain)
	w.want(event.Done, "") // a worktree that could not be removed does no harm
	if w.task.Worktree == "" || w.task.Published == nil {
		t.Errorf("task %s", asJSON(w.task))
	}
}

// The logs of checks lie outside of the fence.
func TestFeedbackToAFencedAgentNamesNoFileThatItCannotRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *event.Spec) { s.Fence = &event.Fence{} }).work().endTurn()
	w.finish(event.ActCheck, event.RoundFinished{Tree: "x", Changed: true, Results: []event.CheckResult{{Name: "test", Run: "t", Exit: 2, Log: "/log/test"}}})
	if text := w.text("m1"); strings.Contains(text, "/log/test") || !strings.Contains(text, "`muster check test`") {
		t.Errorf("feedback: %s", text)
	}
}

func TestFeedbackSaysWhatFailedAndStaysShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", feedbackLimit)
	r := event.RoundFinished{Tree: "x", Changed: true, Results: []event.CheckResult{
		{Name: "build", Run: "make"},
		{Name: "test", Run: "make test", Exit: 2, Excerpt: long, Log: "/log/test"},
		{Name: "lint", Run: "make lint", Signal: 9, Excerpt: long},
		{Name: "slow", Run: "make slow", TimedOut: true, Duration: time.Minute, Excerpt: long},
	}}
	w := newWorld(t).work().endTurn()
	w.finish(event.ActCheck, r)
	text := w.text("m1")
	for _, want := range []string{
		"test failed: `make test` exited with status 2", "/log/test", "lint failed: `make lint` was ended by signal 9",
		"slow failed: `make slow` did not end in 1m0s", "`muster check`",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("feedback lacks %q", want)
		}
	}
	if strings.Contains(text, "build failed") || len(text) > feedbackLimit+3000 || !utf8.ValidString(text) {
		t.Errorf("feedback has %d bytes, or speaks of what passed, or is torn", len(text))
	}
	if w.task.Detail != "test, lint, slow failed" {
		t.Errorf("detail %q", w.task.Detail)
	}
}

func TestFactsThatHandsMayNotStateAreNotWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.granted()
	w.finish(event.ActPrepare, readyFact(), launchedFact(0), event.TaskMoved{From: event.Preparing, To: event.Done}, event.SlotReleased{}, event.AgentExited{})
	w.want(event.Starting, "").wantOpen(event.ActStart)
}
