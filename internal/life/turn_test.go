package life

import (
	"strings"
	"testing"
	"time"

	"muster/internal/event"
)

func TestAnswerTwiceIsOneAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.asks("r1")
	w.write(event.AnswerRequested{Request: "r1", Decision: event.Allow})
	w.write(event.AnswerRequested{Request: "r1", Decision: event.Deny})
	if a := argsOf[event.AnswerArgs](w); a.Decision != event.Allow || w.count(event.ActAnswer) != 1 {
		t.Errorf("answered %d times, the last by %+v; want the first answer once", w.count(event.ActAnswer), a)
	}
	w.finish(event.ActAnswer)
	w.write(event.AnswerRequested{Request: "r1", Decision: event.Deny})
	w.wantOpen().want(event.Working, "")
}

// TestAnswerWhileTheOneBeforeHasNoOutcome: the agent has the first answer and asks again before the outcome of the
// first answer was recorded, as after a crash.
func TestAnswerWhileTheOneBeforeHasNoOutcome(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.asks("r1")
	w.write(event.AnswerRequested{Request: "r1", Decision: event.Allow})
	w.asks("r2")
	w.write(event.AnswerRequested{Request: "r2", Decision: event.Deny})
	w.write(event.AnswerRequested{Request: "r2", Decision: event.Allow})
	if n := w.count(event.ActAnswer); n != 2 {
		t.Fatalf("%d answers are given, want one to each request", n)
	}
	w.finish(event.ActAnswer)
	w.want(event.Waiting, ReasonPermission).finish(event.ActAnswer)
	w.wantOpen().want(event.Working, "")
}

func TestAnswerToAnotherRequestIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.asks("r1")
	w.asks("r2") // a parallel tool asks, too
	w.write(event.AnswerRequested{Request: "r1", Decision: event.Allow})
	w.wantOpen().want(event.Waiting, ReasonPermission)
}

func TestAnswerThatCouldNotBeGivenLeavesTheRequestOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.asks("r1")
	w.write(event.AnswerRequested{Request: "r1", Decision: event.Allow})
	w.fail(event.ActAnswer, FailAgain)
	w.want(event.Waiting, ReasonPermission).advance(15 * time.Minute)
	w.want(event.Parked, ReasonPermission)
}

func TestAnswerUnderWayKeepsARequestFromExpiring(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.asks("r1")
	w.advance(15*time.Minute - time.Second)
	w.write(event.AnswerRequested{Request: "r1", Decision: event.Allow})
	w.advance(30 * time.Second)
	w.want(event.Waiting, ReasonPermission).finish(event.ActAnswer)
	w.want(event.Working, "")
}

func TestAgentThatGoesOnByItselfWasAnsweredInItsPane(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.asks("r1")
	w.says(event.RecordWorking)
	w.want(event.Working, "").advance(20 * time.Minute)
	w.want(event.Working, "").wantOpen()
}

func TestRequestSeenByTwoSourcesIsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.asks("") // the status file is first, and has no id
	w.asks("r1")
	w.asks("")
	if w.task.Request.Request != "r1" {
		t.Errorf("request %q is open, want r1", w.task.Request.Request)
	}
	w.says(event.RecordIdle)
	w.want(event.Checking, "")
}

func TestWorkAfterAnAnswerIsNotTheEndOfTheTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	w.asks("r1") // in a turn that a person started in the pane
	w.want(event.Waiting, ReasonPermission).finish(event.ActCheck, green("x"))
	w.want(event.Waiting, ReasonPermission)
	w.write(event.AnswerRequested{Request: "r1", Decision: event.Allow})
	w.finish(event.ActAnswer)
	w.want(event.Working, "").wantOpen().endTurn()
}

func TestExpiredRequestIsAnsweredIntoTheConversation(t *testing.T) {
	t.Parallel()
	for decision, says := range map[event.Decision]string{event.Allow: "was allowed: may I?", event.Deny: "was denied: may I?", event.Reply: "The answer: blue"} {
		w := newWorld(t).work()
		w.asks("r1")
		w.advance(15 * time.Minute)
		w.finish(event.ActEnd)
		w.write(event.AnswerRequested{Request: "r1", Decision: decision, Text: "blue"})
		w.write(event.AnswerRequested{Request: "r1", Decision: decision, Text: "blue"})
		w.want(event.Queued, event.Reason(event.WhyMessage)).prepare()
		if a := argsOf[event.StartArgs](w); !a.Resume || len(a.Messages) != 1 {
			t.Errorf("started by %+v, want one message in the same conversation", a)
		}
		if text := w.text("m1"); !strings.Contains(text, says) {
			t.Errorf("%s reads %q, want %q in it", decision, text, says)
		}
	}
}

func TestTerseRecordsWaitAndErrWithAReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t, traits(command)).prepare().launch()
	w.says(event.RecordWaiting)
	w.want(event.Waiting, ReasonQuestion).says(event.RecordError)
	w.want(event.Limited, event.Reason(event.ErrorOther))
}

func TestRecordsThatAreNotObeyed(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]Reported{
		"of the generation before": {Gen: 1, Record: event.Record{State: event.RecordIdle}},
		"claiming another one":     {Gen: 2, Record: event.Record{State: event.RecordIdle, Gen: 1}},
		"of another conversation":  {Gen: 2, Record: event.Record{State: event.RecordIdle, SessionID: "another"}},
		"older than the newest":    {Gen: 2, Record: event.Record{State: event.RecordIdle, Time: dawn}},
		"exited, in a file":        {Gen: 2, Record: event.Record{State: event.RecordExited}},
		"launched, in a file":      {Gen: 2, Record: event.Record{State: event.RecordLaunched}},
		"a word nobody knows":      {Gen: 2, Record: event.Record{State: "dancing"}},
		"no word at all":           {Gen: 2, Record: event.Record{}},
	} {
		w := newWorld(t).work().crash().launch()
		w.prompted()
		w.do(in)
		if w.task.State != event.Working || w.task.Agent.Turn != TurnBusy {
			t.Errorf("%s: task is %s, turn %s", name, w.task.State, w.task.Agent.Turn)
		}
	}
}

func TestRecordOfAnUnknownWordIsNoFirstRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t).prepare()
	w.says("dancing")
	w.launch().advance(30 * time.Second)
	w.want(event.Starting, "").wantOpen(event.ActProbe)
}

func TestClockThatIsAheadDoesNotShutOutWhatComesAfter(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.do(Reported{Gen: 1, Record: event.Record{State: event.RecordWorking, Time: w.now.Add(time.Hour), Note: "ahead"}})
	w.endTurn()
}

func TestHeartbeatsAreNotWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	n := len(w.log)
	for range 10 {
		w.says(event.RecordWorking)
	}
	if len(w.log) != n {
		t.Errorf("%d events written for nothing", len(w.log)-n)
	}
}

func TestUsageIsKeptByConversation(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	for _, tokens := range []int64{10, 30, 30} {
		w.report(event.Record{State: event.RecordWorking, Usage: &event.Usage{InputTokens: tokens, Turns: 1}})
	}
	if got := w.task.TotalUsage(); got.InputTokens != 30 || got.Turns != 1 {
		t.Errorf("usage %+v, want what was said last", got)
	}
}

func TestErrorBesideTheEndOfItsTurn(t *testing.T) {
	t.Parallel()
	rest := func(w *world) {
		w.want(event.Limited, event.Reason(event.ErrorOverloaded))
		if w.task.APIErrors != 1 {
			t.Errorf("%d errors, want 1", w.task.APIErrors)
		}
		w.calm().want(event.Limited, event.Reason(event.ErrorOverloaded)).advance(time.Minute)
		w.granted()
		w.want(event.Working, "").wantOpen(event.ActDeliver)
	}
	first := newWorld(t).work()
	first.says(event.RecordIdle) // from a status file that is faster than the hook
	first.errs(event.ErrorOverloaded)
	rest(first)

	older := newWorld(t).work()
	older.says(event.RecordIdle)
	older.do(Reported{Gen: 1, Record: event.Record{State: event.RecordError, Error: event.ErrorOverloaded, Time: older.now.Add(-500 * time.Millisecond)}})
	rest(older)

	after := newWorld(t).work()
	after.errs(event.ErrorOverloaded)
	after.says(event.RecordIdle)
	after.errs(event.ErrorOverloaded) // from a second source
	rest(after)
}

func TestSecondWordAboutALimitKnowsWhenItEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.errs(event.ErrorRateLimit)
	reset := w.now.Add(2 * time.Hour)
	w.report(event.Record{State: event.RecordLimited, Until: reset})
	if d, _ := w.task.Deadline(event.DeadlineAPIRetry); !d.At.Equal(reset) || !d.Instant {
		t.Errorf("rests until %+v, want %s", d, reset)
	}
	if w.task.APIErrors != 0 { // a limit is one of the account, and no failure of the task
		t.Errorf("%d errors, want none", w.task.APIErrors)
	}
}

func TestPauseAfterErrorsGrowsAndTheSixthParks(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	for n, pause := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute} {
		w.errs(event.ErrorNetwork)
		w.want(event.Limited, event.Reason(event.ErrorNetwork))
		if w.task.Slot {
			t.Fatal("it rests with a slot")
		}
		w.advance(pause - time.Second)
		if w.task.NeedsSlot() {
			t.Errorf("pause %d is shorter than %s", n+1, pause)
		}
		w.advance(time.Second)
		w.granted()
		w.want(event.Working, "").take()
	}
	w.errs(event.ErrorNetwork)
	w.want(event.Parked, ReasonAPI).finish(event.ActEnd)
	w.write(event.RetryRequested{})
	w.prepare().launch().prompted()
	w.errs(event.ErrorNetwork)
	w.want(event.Limited, event.Reason(event.ErrorNetwork)) // a new allowance
}

func TestErrorsThatLastParkAtOnce(t *testing.T) {
	t.Parallel()
	for kind, reason := range map[event.ErrorKind]event.Reason{
		event.ErrorAuth: ReasonAuth, event.ErrorBilling: ReasonBilling, event.ErrorContextFull: ReasonContextFull, event.ErrorInvalidRequest: ReasonAPI,
	} {
		w := newWorld(t).prepare().launch()
		w.errs(kind)
		w.want(event.Parked, reason).wantOpen(event.ActEnd)
	}
}

func TestGoodRoundForgetsErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.errs(event.ErrorNetwork)
	w.advance(time.Minute)
	w.granted()
	w.take().endTurn().finish(event.ActCheck, red("x", "no"))
	if w.task.APIErrors != 0 {
		t.Errorf("%d errors in a row, want none", w.task.APIErrors)
	}
}

func TestLimitedAgentThatDiedIsStartedAgainWithItsSlot(t *testing.T) {
	t.Parallel()
	for _, turn := range []event.Record{{State: event.RecordIdle}, {State: event.RecordIdle, Background: true}} {
		w := newWorld(t).work()
		w.errs(event.ErrorOverloaded)
		w.report(turn)
		w.crash().want(event.Limited, event.Reason(event.ErrorOverloaded)).wantOpen()
		w.advance(time.Minute)
		w.granted()
		w.want(event.Starting, event.Reason(event.WhyAPI)).wantOpen(event.ActStart).wantGen(2, 1)
	}
}

func TestAgentThatWentOnRestsAgainForItsFullPause(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.errs(event.ErrorOverloaded)
	w.advance(time.Minute) // it is in the queue now
	w.prompted()
	w.want(event.Working, "")
	w.errs(event.ErrorOverloaded)
	if w.task.NeedsSlot() {
		t.Error("it is in line at once")
	}
}

func TestLimitedAgentThatAsksHasGoneOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.errs(event.ErrorOverloaded)
	w.asks("r1")
	w.want(event.Waiting, ReasonPermission)
	if !w.task.Slot {
		t.Error("it runs without a slot")
	}
}

func TestBackgroundWorkIsWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.report(event.Record{State: event.RecordIdle, Background: true})
	w.want(event.Working, "").wantOpen()
	w.says(event.RecordDone) // only a claim
	w.want(event.Working, "").endTurn()
}

func TestInterruptGoesToALivingAgentOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(event.InterruptRequested{})
	w.wantOpen().work().write(event.InterruptRequested{})
	w.write(event.InterruptRequested{})
	w.wantOpen(event.ActInterrupt).finish(event.ActInterrupt)
	w.says(event.RecordIdle)
	w.want(event.Working, "")
}

func TestReviewEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t).review()
	if w.task.Slot {
		t.Error("it waits for people with a slot")
	}
	w.do(Reviewed{Phase: ReviewMerged})
	w.wantOpen(event.ActClean).finish(event.ActClean, event.WorktreeRemoved{})
	w.want(event.Done, "")
}

func TestReviewThatEndsBeforeItBeganIsNone(t *testing.T) {
	t.Parallel()
	eachStage(t, func(t *testing.T, w *world, from event.State) {
		if from == event.InReview {
			return
		}
		n := len(w.log)
		w.do(Reviewed{Phase: ReviewMerged})
		if len(w.log) != n {
			t.Errorf("%d events, want none", len(w.log)-n)
		}
	})
}

func TestATurnIsOverWhenAllStopHooksAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.report(event.Record{State: event.RecordWorking, Stopping: true, Note: "all done", Src: "hook"})
	w.want(event.Working, "") // another hook may continue the turn
	w.report(event.Record{State: event.RecordWorking, Stopping: true, Note: "now it is", Src: "hook"})
	w.report(event.Record{State: event.RecordIdle, Stopping: true, Src: event.SrcStatusFile})
	w.want(event.Checking, "").wantOpen(event.ActCheck) // at once, because it is known how the turn ended
}

func TestTheFigureOfATranscriptWinsOverTheWordsOfAHook(t *testing.T) {
	t.Parallel()
	exact, words := dawn.Add(time.Hour), dawn.Add(time.Hour+time.Minute)
	for _, first := range []string{"hook", event.SrcTranscript} {
		w := newWorld(t).work()
		records := []event.Record{
			{State: event.RecordLimited, Until: words, Src: "hook"}, {State: event.RecordLimited, Until: exact, Src: event.SrcTranscript},
		}
		if first != "hook" {
			records[0], records[1] = records[1], records[0]
		}
		for _, r := range records {
			w.report(r)
		}
		if d, _ := w.task.Deadline(event.DeadlineAPIRetry); !d.At.Equal(exact) {
			t.Errorf("with the %s first it rests until %s, want %s", first, d.At, exact)
		}
	}
}

func TestAnswerToARequestWithoutWordsNamesItsTool(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.report(event.Record{State: event.RecordWaiting, Reason: event.WaitPermission, Request: "r1", Tool: "Bash"})
	w.advance(15 * time.Minute)
	w.finish(event.ActEnd)
	w.write(event.AnswerRequested{Request: "r1", Decision: event.Allow})
	if text := w.text("m1"); !strings.Contains(text, "was allowed: Bash") {
		t.Errorf("the agent is told %q, want the tool's name in it", text)
	}
}

// TestAnAnswerThatFailedCanBeGivenAgain: while an answer is being carried out no other one is taken.
func TestAnAnswerThatFailedCanBeGivenAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.report(event.Record{State: event.RecordWaiting, Reason: event.WaitQuestion, Request: "q1"})
	w.write(event.AnswerRequested{Request: "q1", Decision: event.Reply, Text: "red"})
	if !w.task.Answered {
		t.Fatal("it does not know that it was answered")
	}
	w.fail(event.ActAnswer, FailAgain)
	if w.task.Answered {
		t.Error("the answer failed, and no other one is taken")
	}
	w.write(event.AnswerRequested{Request: "other", Decision: event.Reply, Text: "red"})
	if w.task.Answered {
		t.Error("the answer to another request counts")
	}
	w.write(event.AnswerRequested{Request: "q1", Decision: event.Reply, Text: "green"})
	w.finish(event.ActAnswer)
	if w.task.Answered || w.task.Request != nil {
		t.Errorf("the answered request is left: %s", asJSON(w.task.Request))
	}
}
