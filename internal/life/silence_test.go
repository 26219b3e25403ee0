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

func TestATurnThatIsOverWaitsForTheWordHowItEnded(t *testing.T) {
	t.Parallel()
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
