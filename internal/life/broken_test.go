package life

import (
	"strings"
	"testing"
	"time"

	"muster/internal/event"
)

// The tests in this file are about turns that are broken off: see docs/decisions/0038-a-broken-off-turn-is-not-judged.md.

// prompts returns the record of a hook that the agent has taken a prompt, with a message of ours or none.
func prompts(m event.MessageID) event.Record {
	return event.Record{State: event.RecordWorking, Src: event.SrcHook, Prompted: true, Message: m}
}

// shells has the traits of an agent whose status file has a state for work in the background.
var shells = event.Traits{Door: event.DoorPaste, Aside: true, FirstRecord: 30 * time.Second, Resumes: true}

// interrupt interrupts the turn as a person does by the verb.
func (w *world) interrupt() *world {
	w.t.Helper()
	w.write(event.InterruptRequested{})
	w.finish(event.ActInterrupt)
	return w
}

var (
	bare       = event.Record{State: event.RecordIdle, Src: event.SrcStatusFile}
	brokenOff  = event.Record{State: event.RecordIdle, Src: event.SrcHook, Interrupted: true}
	background = event.Record{State: event.RecordWorking, Src: event.SrcStatusFile, Background: true}
)

func TestATurnThatAPersonBrokeOffIsNotJudgedBeforeTheyHaveSpoken(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().interrupt()
	w.says(event.RecordIdle)
	w.want(event.Working, "").wantOpen()
	w.tell()
	w.finish(event.ActDeliver)
	w.report(event.Record{State: event.RecordWorking, Prompted: true, Message: "m1"})
	w.endTurn()
	w.want(event.Checking, "")
}

func TestATurnThatAPersonBrokeOffAtTheTerminalIsNotJudged(t *testing.T) {
	t.Parallel()
	for name, records := range map[string][]event.Record{
		"a hook says so":                 {brokenOff},
		"the agent's own file is slower": {brokenOff, bare},
		"the agent's own file is faster": {bare, brokenOff},
	} {
		w := newWorld(t).work()
		w.now = w.now.Add(3 * time.Second)
		for _, r := range records {
			r.Time, r.Gen = w.now, w.task.Gen
			if r.Interrupted { // it is read later than it was written
				r.Time = w.now.Add(-time.Second)
			}
			w.do(Reported{Gen: w.task.Gen, Source: "status", Record: r})
		}
		w.advance(time.Minute)
		if w.task.State != event.Working || len(w.task.Open) > 0 {
			t.Errorf("%s: it is %s, %+v", name, w.task.State, w.task.Open)
		}
		w.report(event.Record{State: event.RecordWorking, Prompted: true}) // the person types
		w.endTurn()
		w.want(event.Checking, "")
	}
}

// TestATurnWhoseHooksDoNotTellItsEndIsNotJudged has the case of Claude Code: a turn that a person breaks off before the model has said
// anything leaves no mark, and its status file says that the agent is idle.
func TestATurnWhoseHooksDoNotTellItsEndIsNotJudged(t *testing.T) {
	t.Parallel()
	begin := func() *world {
		w := newWorld(t).work()
		w.report(prompts(""))
		w.report(bare)
		w.advance(time.Minute)
		return w.want(event.Working, "").wantOpen()
	}
	slow := begin()
	slow.report(event.Record{State: event.RecordIdle, Src: event.SrcHook, Stopping: true})
	slow.want(event.Checking, "")
	again := begin()
	again.interrupt().want(event.Checking, "") // the person wants it judged
	forgotten := begin().silence()
	forgotten.want(event.Stalled, ReasonSilent).finish(event.ActDeliver)
	forgotten.report(prompts("m1"))
	forgotten.want(event.Working, "").endTurn()
	forgotten.want(event.Checking, "")
}

// TestAnAgentThatWasBusyForAMomentBesideItsChecksKeepsItsVerdict has an agent at whose terminal a person types a command such as
// /compact: its status file says busy, then idle, and no hook tells of it.
func TestAnAgentThatWasBusyForAMomentBesideItsChecksKeepsItsVerdict(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.report(prompts(""))
	w.report(event.Record{State: event.RecordIdle, Src: event.SrcHook, Stopping: true})
	w.want(event.Checking, "")
	w.report(event.Record{State: event.RecordWorking, Src: event.SrcStatusFile})
	w.report(bare)
	w.finish(event.ActCheck, green("tree"))
	w.want(event.Publishing, "")
}

func TestATurnThatAPersonBrokeOffAndForgotGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().interrupt()
	w.says(event.RecordIdle)
	w.silence()
	w.want(event.Stalled, ReasonSilent).finish(event.ActDeliver)
	w.report(event.Record{State: event.RecordWorking, Prompted: true, Message: "m1"})
	w.want(event.Working, "").endTurn()
	w.want(event.Checking, "")
}

// TestATurnThatWasInterruptedForItsSilenceIsNotJudged has the case of Codex CLI: its own status file reports that it is idle
// after the interrupt, and nothing says that its turn was broken off. The work was judged as it was, and published if it passed.
func TestATurnThatWasInterruptedForItsSilenceIsNotJudged(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]event.Record{
		"a status file": bare,
		"a hook":        {State: event.RecordIdle, Src: event.SrcHook, Stopping: true},
	} {
		w := newWorld(t, traits(pasted)).work().silence()
		w.wantStages(event.StageInterrupt)
		w.says(event.RecordWorking) // it was slower than the key
		w.finish(event.ActInterrupt)
		w.report(r)
		w.want(event.Working, "").wantMessage("m1", event.MessageSending)
		if text := w.text("m1"); !strings.Contains(text, "MUSTER_PROMPT_FILE") {
			t.Errorf("%s: an agent that may have lost its prompt is told %q", name, text)
		}
		w.fail(event.ActDeliver, FailUnknown)
		w.advance(time.Minute)
		w.want(event.Working, "")
		w.silence() // the message may not have arrived, and nothing was heard since
		w.wantStages(event.StageInterrupt, event.StageRestart)
	}
}

// TestAnAgentThatOnlyQueuesTheNudgeGoesOnToBeSilent has the case of OpenCode: it puts a message into the queue of its conversation
// and reports it as a prompt, while its turn hangs. It was nudged again and again, and never interrupted.
func TestAnAgentThatOnlyQueuesTheNudgeGoesOnToBeSilent(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().silence()
	w.wantStages(event.StageNudge).finish(event.ActDeliver)
	w.report(event.Record{State: event.RecordWorking, Prompted: true, Message: "m1"})
	w.want(event.Stalled, ReasonSilent).wantMessage("m1", event.MessageAcked)
	w.advance(9 * time.Minute) // it has the time of another silence
	w.wantStages(event.StageNudge)
	w.advance(time.Minute)
	w.wantStages(event.StageNudge, event.StageInterrupt).wantMessage("m2", event.MessageWaiting).finish(event.ActInterrupt)
	w.wantMessage("m2", event.MessageWaiting) // what is queued in a turn that is broken off may be lost with it
	w.says(event.RecordIdle)
	w.want(event.Working, "").wantMessage("m2", event.MessageSending)
}

func TestAMessageWaitsForTheEndOfATurnThatIsInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().interrupt()
	w.tell()
	w.want(event.Working, "").wantMessage("m1", event.MessageWaiting).wantOpen()
	w.says(event.RecordIdle)
	w.want(event.Working, "").wantMessage("m1", event.MessageSending).wantOpen(event.ActDeliver)
}

// TestAnAgentThatHadItsNudgeIsToldAgainAfterTheInterrupt has an agent that took the nudge and hung again without a report.
func TestAnAgentThatHadItsNudgeIsToldAgainAfterTheInterrupt(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().silence()
	w.finish(event.ActDeliver)
	w.advance(time.Minute)
	w.finish(event.ActConfirm, event.MessageMoved{Message: "m1", To: event.MessageAcked})
	w.advance(time.Minute)
	w.wantStages(event.StageNudge, event.StageInterrupt).finish(event.ActInterrupt)
	w.says(event.RecordIdle)
	w.want(event.Working, "").wantMessage("m2", event.MessageSending)
}

func TestAnInterruptThatFailedHoldsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.write(event.InterruptRequested{})
	w.fail(event.ActInterrupt, FailRefused)
	w.says(event.RecordIdle)
	w.want(event.Checking, "")
}

// TestAnEndThatWasToldStays has the case of Qwen Code, which reports after each turn that it waits for input, in the same way as after
// an interrupt.
func TestAnEndThatWasToldStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, traits(pasted)).work()
	w.report(prompts(""))
	w.report(event.Record{State: event.RecordIdle, Src: event.SrcHook})
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
				w.report(event.Record{State: event.RecordWorking, Src: event.SrcHook})
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
	w.report(event.Record{State: event.RecordWorking, Src: event.SrcHook, Tool: "Bash", ToolUseID: "u1"})
	w.silence()
	w.wantStages(event.StageInterrupt, event.StageInterrupt)
}

func TestWorkInTheBackgroundDoesNotGoOnWithABrokenOffTurn(t *testing.T) {
	t.Parallel()
	for name, records := range map[string][]event.Record{
		"reported by its status file": {brokenOff, background},
		"reported before":             {background, brokenOff},
		"reported with the break":     {{State: event.RecordIdle, Src: event.SrcHook, Interrupted: true, Background: true}},
		"reported with an idle":       {brokenOff, {State: event.RecordIdle, Src: event.SrcHook, Background: true}, {State: event.RecordIdle, Src: event.SrcHook}},
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
	w := newWorld(t).work().interrupt()
	w.tell()
	w.wantMessage("m1", event.MessageWaiting)
	w.report(event.Record{State: event.RecordWorking, Src: event.SrcHook, Tool: "Bash", ToolUseID: "u1"}) // its hook was slower than the key
	w.report(event.Record{State: event.RecordWorking, Src: event.SrcHook, ToolUseID: "u1"})
	w.wantMessage("m1", event.MessageWaiting)
	w.advance(interruptWait)
	w.report(event.Record{State: event.RecordWorking, Src: event.SrcHook, Tool: "Bash", ToolUseID: "u2"})
	w.wantMessage("m1", event.MessageSending)
}

// TestANudgeThatCrossesTheInterruptIsSaidAgain has an agent whose nudge is on its way while it is interrupted: it may be taken by the
// turn that is broken off.
func TestANudgeThatCrossesTheInterruptIsSaidAgain(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]event.Record{"marked": brokenOff, "not marked": {State: event.RecordIdle, Src: event.SrcHook}} {
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
	w.report(bare)
	w.advance(settlePause)
	w.want(event.Checking, "")
}

func TestHooksThatAreSlowerThanTheStatusFileAreKnownToWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t).prepare().launch()
	w.report(event.Record{State: event.RecordWorking, Src: event.SrcStatusFile})
	late := prompts("")
	late.Time, late.Gen = w.now.Add(-300*time.Millisecond), w.task.Gen
	w.do(Reported{Gen: w.task.Gen, Source: "status", Record: late})
	w.report(event.Record{State: event.RecordWorking, Src: event.SrcHook, Tool: "Bash", ToolUseID: "u1"})
	w.report(bare)
	w.advance(time.Minute)
	w.want(event.Working, "").wantOpen()
}

func TestAHookThatSpeaksWhileATurnSettlesHoldsItBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.report(bare)
	w.report(event.Record{State: event.RecordWorking, Src: event.SrcHook, Note: "late"})
	w.report(bare)
	w.advance(time.Minute)
	w.want(event.Working, "").wantOpen()
}

func TestATaskWithABrokenOffTurnKeepsItsBudget(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]event.Record{"unexplained": bare, "marked": brokenOff} {
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
	w.interrupt().want(event.Working, "").wantOpen()
}

// TestAnInterruptForItsSilenceThatFailedJudgesNothing has a key that arrived although its outcome says that it did not.
func TestAnInterruptForItsSilenceThatFailedJudgesNothing(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]bool{"before the turn's end": true, "after it": false} {
		w := newWorld(t, traits(pasted)).work().silence()
		if first {
			w.fail(event.ActInterrupt, FailAgain)
		}
		w.report(event.Record{State: event.RecordIdle, Src: event.SrcHook})
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
	w.report(event.Record{State: event.RecordIdle, Src: event.SrcTranscript})
	w.report(event.Record{State: event.RecordWorking, Src: event.SrcHook, Tool: "Bash", ToolUseID: "u1"})
	w.fail(event.ActInterrupt, FailAgain)
	w.report(event.Record{State: event.RecordIdle, Src: event.SrcHook})
	w.fail(event.ActDeliver, FailUnknown)
	w.want(event.Working, "").wantOpen()
	if w.task.Stage != event.StageInterrupt {
		t.Errorf("the stage is %q", w.task.Stage)
	}
}
