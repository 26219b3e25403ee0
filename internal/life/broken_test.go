package life

import (
	"testing"
	"time"

	"muster/internal/event"
)

// The tests in this file are about turns that are broken off: see docs/decisions/0038-a-broken-off-turn-is-not-judged.md.

// prompts returns the record of a hook that the agent has taken a prompt, with a message of ours or none.
func prompts(m event.MessageID) event.Record {
	return event.Record{State: event.RecordWorking, Src: SourceHook, Prompted: true, Message: m}
}

// shells has the traits of an agent whose status file has a state for work in the background.
var shells = event.Traits{Door: event.DoorPaste, Aside: true, FirstRecord: 30 * time.Second, Resumes: true}

var (
	brokenOff  = event.Record{State: event.RecordIdle, Src: SourceHook, Interrupted: true}
	background = event.Record{State: event.RecordWorking, Src: SourceStatusFile, Background: true}
)

// TestAnEndThatWasToldStays has the case of Qwen Code, which reports after each turn that it waits for input, in the same way as after
// an interrupt.
func TestAnEndThatWasToldStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, traits(pasted)).work()
	w.report(prompts(""))
	w.report(event.Record{State: event.RecordIdle, Src: SourceHook})
	w.want(event.Checking, "")
	w.report(brokenOff)
	w.finish(event.ActCheck, green("tree"))
	w.want(event.Publishing, "")
}

// TestAnAgentThatHangsInEachTurnIsRestartedAndParked has an agent that takes each message that it should go on, and hangs again.
func TestAnAgentThatHangsInEachTurnIsRestartedAndParked(t *testing.T) {
	t.Parallel()
	for name, tr := range map[string]event.Traits{"mailbox": hooked, "paste": pasted} {
		w := newWorld(t, traits(tr)).work()
		for range 100 {
			if w.task.State == event.Parked {
				break
			}
			w.quiet = 10 * time.Minute
			w.advance(2 * time.Minute)
			w.finishIf(event.ActProbe, event.AgentProbed{})
			w.finishIf(event.ActConfirm)
			if a, ok := w.task.Action(event.ActDeliver); ok {
				w.finish(event.ActDeliver)
				w.report(prompts(a.Message()))
			}
			if _, ok := w.task.Action(event.ActInterrupt); ok {
				w.finish(event.ActInterrupt)
				w.report(brokenOff)
			}
			w.finishIf(event.ActEnd)
			if _, ok := w.task.Action(event.ActStart); ok {
				w.finish(event.ActStart, launchedFact(w.task.Gen))
				w.report(event.Record{State: event.RecordWorking, Src: SourceHook})
				w.report(prompts(""))
			}
		}
		if w.task.State != event.Parked || w.task.Reason != ReasonSilent || w.task.Gen != 2 {
			t.Errorf("%s: after %s it is %s for %s in generation %d; stages %v", name, w.now.Sub(dawn), w.task.State, w.task.Reason, w.task.Gen, w.stages())
		}
	}
}

// TestStagesBeginAnewOnceTheAgentHasWorked has an agent that uses a tool after the interrupt.
func TestStagesBeginAnewOnceTheAgentHasWorked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, traits(pasted)).work().silence()
	w.finish(event.ActInterrupt)
	w.report(brokenOff)
	w.finish(event.ActDeliver)
	w.report(prompts("m1"))
	w.report(event.Record{State: event.RecordWorking, Src: SourceHook, Tool: "Bash", ToolUseID: "u1"})
	w.silence()
	w.wantStages(event.StageInterrupt, event.StageInterrupt)
}

func TestWorkInTheBackgroundDoesNotGoOnWithABrokenOffTurn(t *testing.T) {
	t.Parallel()
	for name, records := range map[string][]event.Record{
		"reported by its status file": {brokenOff, background},
		"reported before":             {background, brokenOff},
		"reported with the break":     {{State: event.RecordIdle, Src: SourceHook, Interrupted: true, Background: true}},
		"reported with an idle":       {brokenOff, {State: event.RecordIdle, Src: SourceHook, Background: true}, {State: event.RecordIdle, Src: SourceHook}},
	} {
		w := newWorld(t, traits(shells)).work()
		w.report(prompts(""))
		for _, r := range records {
			w.report(r)
		}
		if w.task.State != event.Working || len(w.task.Open) > 0 || !w.task.Agent.Turn.Over() {
			t.Errorf("%s: it is %s, turn %s, %v", name, w.task.State, w.task.Agent.Turn, w.task.Open)
		}
		w.tell()
		w.wantMessage("m1", event.MessageSending)
	}
}

func TestAnAgentThatIgnoresAnInterruptGetsItsMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.write(event.InterruptRequested{})
	w.finish(event.ActInterrupt)
	w.tell()
	w.wantMessage("m1", event.MessageWaiting)
	w.report(event.Record{State: event.RecordWorking, Src: SourceHook, Tool: "Bash", ToolUseID: "u1"}) // its hook was slower than the key
	w.report(event.Record{State: event.RecordWorking, Src: SourceHook, ToolUseID: "u1"})
	w.wantMessage("m1", event.MessageWaiting)
	w.advance(interruptWait)
	w.report(event.Record{State: event.RecordWorking, Src: SourceHook, Tool: "Bash", ToolUseID: "u2"})
	w.wantMessage("m1", event.MessageSending)
}

// TestANudgeThatCrossesTheInterruptIsSaidAgain has an agent whose nudge is on its way while it is interrupted: it may be taken by the
// turn that is broken off.
func TestANudgeThatCrossesTheInterruptIsSaidAgain(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]event.Record{"marked": brokenOff, "not marked": {State: event.RecordIdle, Src: SourceHook}} {
		w := newWorld(t).work().silence()
		w.finish(event.ActDeliver)
		w.advance(2 * time.Minute)
		w.finishIf(event.ActConfirm)
		w.report(prompts("m1"))
		w.finish(event.ActInterrupt)
		w.report(r)
		if m, _ := w.task.Message("m2"); w.task.State != event.Working || m.State != event.MessageSending {
			t.Errorf("%s: it is %s, and m2 is %s", name, w.task.State, m.State)
		}
	}
}

// TestATurnThatIsDoneIsJudgedAlthoughNoHookToldItsEnd has an agent that said `muster done` and whose last hook was lost.
func TestATurnThatIsDoneIsJudgedAlthoughNoHookToldItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.report(prompts(""))
	w.report(event.Record{State: event.RecordDone, Src: "cli"})
	w.report(event.Record{State: event.RecordIdle, Src: SourceStatusFile})
	w.advance(settlePause)
	w.want(event.Checking, "")
}

func TestHooksThatAreSlowerThanTheStatusFileAreKnownToWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t).prepare().launch()
	w.report(event.Record{State: event.RecordWorking, Src: SourceStatusFile})
	late := prompts("")
	late.Time, late.Gen = w.now.Add(-300*time.Millisecond), w.task.Gen
	w.do(Reported{Gen: w.task.Gen, Source: "status", Record: late})
	w.report(event.Record{State: event.RecordWorking, Src: SourceHook, Tool: "Bash", ToolUseID: "u1"})
	w.report(event.Record{State: event.RecordIdle, Src: SourceStatusFile})
	w.advance(time.Minute)
	w.want(event.Working, "").wantOpen()
}

func TestAHookThatSpeaksWhileATurnSettlesHoldsItBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.report(event.Record{State: event.RecordIdle, Src: SourceStatusFile})
	w.report(event.Record{State: event.RecordWorking, Src: SourceHook, Note: "late"})
	w.report(event.Record{State: event.RecordIdle, Src: SourceStatusFile})
	w.advance(time.Minute)
	w.want(event.Working, "").wantOpen()
}

func TestATaskWithABrokenOffTurnKeepsItsBudget(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]event.Record{"unexplained": {State: event.RecordIdle, Src: SourceStatusFile}, "marked": brokenOff} {
		w := newWorld(t, func(s *event.Spec) { s.Budget = event.Budget{Turns: 1} }).work()
		w.report(prompts(""))
		r.Usage = &event.Usage{Turns: 5}
		w.report(r)
		if w.task.Reason != ReasonBudget {
			t.Errorf("%s: it is %s for %s", name, w.task.State, w.task.Reason)
		}
	}
}

// TestAPersonsFirstInterruptJudgesNothing has a turn that was interrupted for its silence, and a message after it that got lost.
func TestAPersonsFirstInterruptJudgesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, traits(pasted)).work().silence()
	w.finish(event.ActInterrupt)
	w.report(brokenOff)
	w.fail(event.ActDeliver, FailUnknown)
	w.write(event.InterruptRequested{})
	w.finish(event.ActInterrupt)
	w.want(event.Working, "").wantOpen()
}

// TestAnInterruptForItsSilenceThatFailedJudgesNothing has a key that arrived although its outcome says that it did not.
func TestAnInterruptForItsSilenceThatFailedJudgesNothing(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]bool{"before the turn's end": true, "after it": false} {
		w := newWorld(t, traits(pasted)).work().silence()
		if first {
			w.fail(event.ActInterrupt, FailAgain)
		}
		w.report(event.Record{State: event.RecordIdle, Src: SourceHook})
		if !first {
			w.fail(event.ActInterrupt, FailAgain)
		}
		w.fail(event.ActDeliver, FailUnknown)
		if w.task.State != event.Working || len(w.task.Open) > 0 {
			t.Errorf("%s: it is %s, %v", name, w.task.State, w.task.Open)
		}
	}
}

// TestWhatABrokenOffTurnStillReportsIsNoSignOfLife has hooks that are slower than the transcript, which reports the end of the turn.
func TestWhatABrokenOffTurnStillReportsIsNoSignOfLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t, traits(pasted)).work().silence()
	w.report(event.Record{State: event.RecordIdle, Src: SourceTranscript})
	w.report(event.Record{State: event.RecordWorking, Src: SourceHook, Tool: "Bash", ToolUseID: "u1"})
	w.fail(event.ActInterrupt, FailAgain)
	w.report(event.Record{State: event.RecordIdle, Src: SourceHook})
	w.fail(event.ActDeliver, FailUnknown)
	w.want(event.Working, "").wantOpen()
	if w.task.Stage != event.StageInterrupt {
		t.Errorf("the stage is %q", w.task.Stage)
	}
}
