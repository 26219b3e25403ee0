package life

import (
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
)

// stages returns the stages that were taken, in order.
func (w *world) stages() []event.Stage {
	var out []event.Stage
	for _, e := range w.log {
		if p, ok := e.Data.(event.StallStaged); ok {
			out = append(out, p.Stage)
		}
	}
	return out
}

func (w *world) wantStages(want ...event.Stage) *world {
	w.t.Helper()
	if got := w.stages(); !slices.Equal(got, want) {
		w.t.Fatalf("stages %v, want %v", got, want)
	}
	return w
}

func TestSilenceIsAnsweredStageByStageAndEachOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().silence()
	w.want(event.Stalled, ReasonSilent).wantStages(event.StageNudge)
	if text := w.text("m1"); !strings.Contains(text, "go on") {
		t.Errorf("the nudge says %q", text)
	}
	w.finish(event.ActDeliver)
	w.advance(2 * time.Minute)
	w.wantStages(event.StageNudge, event.StageInterrupt).wantOpen(event.ActConfirm, event.ActInterrupt)
	w.fail(event.ActInterrupt, FailAgain)
	w.finish(event.ActConfirm)
	w.advance(2 * time.Minute)
	w.wantStages(event.StageNudge, event.StageInterrupt, event.StageRestart)
	w.finish(event.ActEnd)
	w.want(event.Starting, event.Reason(event.WhyStall)).wantGen(2, 2).finish(event.ActStart, launchedFact(2))
	w.says(event.RecordWorking)
	w.want(event.Working, "").silence()
	w.want(event.Parked, ReasonSilent).wantStages(event.StageNudge, event.StageInterrupt, event.StageRestart)
	if !strings.Contains(w.task.Detail, "/evidence") {
		t.Errorf("it was parked for %q, which names no evidence", w.task.Detail)
	}
}

func TestAnAgentThatIsHeardOfIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	n := len(w.log)
	w.quiet = 9 * time.Minute
	w.advance(50 * time.Minute)
	w.want(event.Working, "").wantOpen()
	if sets := len(w.log) - n; sets > 100 {
		t.Errorf("%d events for an agent that is well", sets)
	}
}

func TestTheNextLookIsDueWhenTheSilenceWouldBeFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.quiet = 4 * time.Minute
	d, _ := w.task.Deadline(event.DeadlineSilence)
	w.advance(d.At.Sub(w.now))
	if next, ok := w.task.Deadline(event.DeadlineSilence); !ok || next.At.Sub(w.now) != 6*time.Minute {
		t.Errorf("the next look is due in %s, want 6m", next.At.Sub(w.now))
	}
}

func TestAToolMayTakeItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	for quiet := 10 * time.Minute; quiet < time.Hour; quiet += 10 * time.Minute { // a build of 40 min is not a stall
		w.quiet = quiet
		w.advance(10 * time.Minute)
		w.wantOpen(event.ActProbe).finish(event.ActProbe, event.AgentProbed{Tool: "Bash"})
		w.want(event.Working, "")
	}
	w.quiet = time.Hour
	w.advance(10 * time.Minute)
	w.finish(event.ActProbe, event.AgentProbed{Tool: "Bash"})
	w.want(event.Stalled, ReasonSilent)
	if !strings.Contains(w.task.Detail, "Bash") {
		t.Errorf("the detail %q does not name the tool", w.task.Detail)
	}
}

func TestALookThatFailsIsNoVerdict(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.quiet = time.Hour
	w.advance(10 * time.Minute)
	w.fail(event.ActProbe, FailAgain)
	w.want(event.Working, "").wantStages()
	w.advance(time.Minute)
	w.wantOpen(event.ActProbe).finish(event.ActProbe) // without a report of what was seen
	w.want(event.Working, "").wantStages()
}

func TestWhereMostAreSilentTheFindingIsThrownAwayOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.quiet, w.most = 10*time.Minute, true
	w.advance(10 * time.Minute)
	w.want(event.Working, "").wantOpen()
	if !w.task.Doubted {
		t.Error("nothing is said of it")
	}
	w.advance(10 * time.Minute)
	w.wantOpen(event.ActProbe)
}

func TestStagesBeginAnewOnceTheAgentWasHeardOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().silence()
	w.says(event.RecordWorking)
	w.want(event.Working, "")
	if w.task.Stage != "" {
		t.Errorf("stage %s after it was heard of", w.task.Stage)
	}
	w.says(event.RecordWorking)
	w.finish(event.ActDeliver)
	w.report(event.Record{State: event.RecordWorking, Message: "m1"})
	w.silence()
	w.wantStages(event.StageNudge, event.StageNudge)
}

func TestOnlyStagesThatCanHaveAnEffectAreTaken(t *testing.T) {
	t.Parallel()
	busy := newWorld(t, traits(pasted)).work().silence() // nothing can be typed into a turn
	busy.wantStages(event.StageInterrupt)
	idle := newWorld(t, traits(pasted)).prepare().launch()
	idle.says(event.RecordIdle) // its first prompt was lost
	idle.silence().wantStages(event.StageNudge).wantOpen(event.ActDeliver)
	program := newWorld(t, traits(command)).work()
	program.says(event.RecordWorking)
	program.silence().wantStages(event.StageRestart)
}

func TestAProgramThatNeverSaysAnythingIsNeverSilent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, traits(command)).prepare().launch()
	w.quiet = time.Hour
	w.advance(2 * time.Hour)
	w.want(event.Working, "").wantOpen()
}

func TestIdleAgentForWhomNothingIsDoneIsToldToGoOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t).prepare().launch()
	w.says(event.RecordIdle) // its first prompt was lost
	w.want(event.Working, "").silence()
	w.want(event.Stalled, ReasonSilent).finish(event.ActDeliver)
	w.report(event.Record{State: event.RecordWorking, Prompted: true, Message: "m1"})
	w.want(event.Working, "")
}

func TestIdleAgentThatIsBeingLookedAfterIsNotSilent(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.tell()
	w.finish(event.ActDeliver)
	w.says(event.RecordIdle)
	w.quiet = time.Hour
	w.do(Due{Name: event.DeadlineSilence, Quiet: time.Hour})
	w.want(event.Working, "").wantStages()
}

func TestSilenceWhileTheHostSleptIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	before, _ := w.task.Deadline(event.DeadlineSilence)
	w.now = w.now.Add(6 * time.Hour)
	w.do(Slept{Gap: 6 * time.Hour})
	after, _ := w.task.Deadline(event.DeadlineSilence)
	if after.At.Sub(before.At) != 6*time.Hour {
		t.Errorf("the deadline moved by %s", after.At.Sub(before.At))
	}
}

func TestSilenceEndsByTheEndOfTheProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().silence()
	w.exit(event.CauseOwn, 1)
	w.want(event.Starting, event.Reason(event.WhyCrash))
}

func TestATurnThatAPersonBrokeOffIsNotJudgedBeforeTheyHaveSpoken(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.write(event.InterruptRequested{})
	w.finish(event.ActInterrupt)
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
	bare := event.Record{State: event.RecordIdle, Src: SourceStatusFile}
	broken := event.Record{State: event.RecordIdle, Src: "hook", Interrupted: true}
	for name, records := range map[string][]event.Record{
		"a hook says so":                 {broken},
		"the agent's own file is slower": {broken, bare},
		"the agent's own file is faster": {bare, broken},
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
	bare := event.Record{State: event.RecordIdle, Src: SourceStatusFile}
	begin := func() *world {
		w := newWorld(t).work()
		w.report(event.Record{State: event.RecordWorking, Src: SourceHook, Prompted: true})
		w.report(bare)
		w.advance(time.Minute)
		return w.want(event.Working, "").wantOpen()
	}
	slow := begin()
	slow.report(event.Record{State: event.RecordIdle, Src: SourceHook, Stopping: true})
	slow.want(event.Checking, "")
	again := begin()
	again.write(event.InterruptRequested{}) // the person wants it judged
	again.finish(event.ActInterrupt)
	again.want(event.Checking, "")
	forgotten := begin().silence()
	forgotten.want(event.Stalled, ReasonSilent).finish(event.ActDeliver)
	forgotten.report(event.Record{State: event.RecordWorking, Src: SourceHook, Prompted: true, Message: "m1"})
	forgotten.want(event.Working, "").endTurn()
	forgotten.want(event.Checking, "")
}

// TestAnAgentThatWasBusyForAMomentBesideItsChecksKeepsItsVerdict has an agent at whose terminal a person types a command such as
// /compact: its status file says busy, then idle, and no hook tells of it.
func TestAnAgentThatWasBusyForAMomentBesideItsChecksKeepsItsVerdict(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.report(event.Record{State: event.RecordWorking, Src: SourceHook, Prompted: true})
	w.report(event.Record{State: event.RecordIdle, Src: SourceHook, Stopping: true})
	w.want(event.Checking, "")
	w.report(event.Record{State: event.RecordWorking, Src: SourceStatusFile})
	w.report(event.Record{State: event.RecordIdle, Src: SourceStatusFile})
	w.finish(event.ActCheck, green("tree"))
	w.want(event.Publishing, "")
}

func TestATurnThatAPersonBrokeOffAndForgotGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.write(event.InterruptRequested{})
	w.finish(event.ActInterrupt)
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
		"a status file": {State: event.RecordIdle, Src: SourceStatusFile},
		"a hook":        {State: event.RecordIdle, Src: "hook", Stopping: true},
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
	w := newWorld(t).work()
	w.write(event.InterruptRequested{})
	w.finish(event.ActInterrupt)
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

func TestATurnThatIsOverWaitsForTheWordHowItEnded(t *testing.T) {
	t.Parallel()
	bare := event.Record{State: event.RecordIdle, Src: SourceStatusFile}
	w := newWorld(t).work()
	w.report(bare)
	w.want(event.Working, "").wantOpen()
	w.report(event.Record{State: event.RecordIdle, Src: "hook"}) // its turn ended well
	w.want(event.Checking, "")

	w = newWorld(t).work()
	w.report(bare)
	w.report(bare) // a repetition has no new information
	w.want(event.Working, "")
	w.errs(event.ErrorOverloaded)
	w.want(event.Limited, event.Reason(event.ErrorOverloaded))

	w = newWorld(t).work()
	w.report(bare)
	w.advance(settlePause) // no source reports how: a person interrupted it
	w.want(event.Checking, "")

	w = newWorld(t).work()
	w.report(event.Record{State: event.RecordIdle, Src: "hook"})
	w.want(event.Checking, "").report(bare) // after that report it has no new information
	w.want(event.Checking, "")
	if w.task.Agent.Turn != TurnEnded {
		t.Error("a turn whose end was told is waited for")
	}
}

func TestMostAreSilent_NeedsSeveralAgents(t *testing.T) {
	t.Parallel()
	silent, heard := Activity{Quiet: 10 * time.Minute, Limit: 10 * time.Minute}, Activity{Quiet: time.Minute, Limit: 10 * time.Minute}
	for _, c := range []struct {
		all  []Activity
		want bool
	}{
		{nil, false},
		{[]Activity{silent, silent, silent}, false},
		{[]Activity{silent, silent, heard, heard}, false},
		{[]Activity{silent, silent, silent, heard}, true},
	} {
		if got := MostAreSilent(c.all); got != c.want {
			t.Errorf("%v: %t, want %t", c.all, got, c.want)
		}
	}
}
