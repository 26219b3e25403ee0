package life

import (
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
)

func TestNoFirstRecordIsAFaultAndThreeFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t).prepare()
	for attempt := 1; attempt <= 3; attempt++ {
		w.wantGen(attempt, attempt).launch().advance(30 * time.Second)
		w.finish(event.ActProbe, event.AgentProbed{})
		w.wantOpen(event.ActEnd).finish(event.ActEnd)
		w.advance(10 * time.Second)
	}
	w.want(event.Failed, ReasonAttempts)
	if w.task.Slot {
		t.Error("it keeps its slot")
	}
}

func TestLaunchWhoseScreenStandsStillIsParkedAndNotStartedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t).prepare().launch()
	w.advance(30 * time.Second)
	w.wantOpen(event.ActProbe).finish(event.ActProbe, event.AgentProbed{Screen: "Allow external imports? 1. Yes", Evidence: "/e"})
	w.want(event.Parked, ReasonDialog).wantGen(1, 1).wantOpen(event.ActEnd).finish(event.ActEnd)
	if !strings.Contains(w.task.Detail, "Allow external imports? 1. Yes") || w.task.Slot {
		t.Errorf("slot %v, detail %q", w.task.Slot, w.task.Detail)
	}
	w.advance(time.Hour)
	w.wantOpen().wantGen(1, 1)
}

func TestAgentThatReportsWhileItsScreenIsLookedAtGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t).prepare().launch()
	w.advance(30 * time.Second)
	w.prompted()
	w.want(event.Working, "").finish(event.ActProbe, event.AgentProbed{Screen: "words"})
	w.want(event.Working, "").wantGen(1, 1)
}

func TestRecordThatComesTooLateDoesNotSaveAGenerationThatIsBeingEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t).prepare().launch()
	w.advance(30 * time.Second)
	w.finish(event.ActProbe, event.AgentProbed{})
	w.prompted()
	w.want(event.Starting, "").wantOpen(event.ActEnd).finish(event.ActEnd)
	w.wantOpen(event.ActStart).wantGen(2, 2)
}

func TestFirstRecordMayComeBeforeTheStartIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t).prepare()
	w.prompted()
	w.want(event.Working, "").says(event.RecordIdle)
	w.want(event.Working, "").wantOpen(event.ActStart).launch()
	w.want(event.Checking, "").advance(time.Minute)
	w.want(event.Checking, "").wantGen(1, 1)
}

func TestPausesBetweenAttemptsGrow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *event.Spec) { s.Attempts = 6 }).work()
	for _, pause := range []time.Duration{0, 10 * time.Second, time.Minute, 5 * time.Minute, 5 * time.Minute} {
		w.crash()
		if pause > 0 {
			w.wantOpen().advance(pause - time.Second)
			w.wantOpen().advance(time.Second)
		}
		w.launch().prompted()
	}
	w.wantGen(6, 6).crash().want(event.Failed, ReasonAttempts)
}

func TestStartsThatFailCostNoAttemptAndTheThirdParks(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().crash()
	for n := range 3 {
		w.wantGen(2+n, 2).fail(event.ActStart, FailAgain)
		w.advance(time.Minute)
	}
	w.want(event.Parked, ReasonLaunch).calm()
	w.write(event.RetryRequested{})
	w.prepare().fail(event.ActStart, FailAgain) // a new allowance
	w.want(event.Starting, "").advance(5 * time.Second)
	w.launch().prompted()
	w.want(event.Working, "").wantGen(6, 2)
}

func TestStartOfWhichNobodyCanTellIsEndedBeforeTheNext(t *testing.T) {
	t.Parallel()
	w := newWorld(t).prepare()
	w.fail(event.ActStart, FailUnknown)
	w.wantOpen(event.ActEnd).advance(time.Minute)
	w.wantOpen(event.ActEnd).finish(event.ActEnd)
	w.wantOpen(event.ActStart).wantGen(2, 1)
}

func TestStartThatLeftNoProcessHasFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t).prepare()
	w.finish(event.ActStart)
	w.want(event.Starting, "").wantOpen(event.ActEnd).finish(event.ActEnd)
	w.advance(5 * time.Second)
	w.wantGen(2, 1)
}

func TestStartThatFailsAfterItsAgentReported(t *testing.T) {
	t.Parallel()
	for name, said := range map[string]func(*world){
		"it works": func(w *world) { w.prompted() },
		"it asks":  func(w *world) { w.asks("r1") },
	} {
		w := newWorld(t).prepare()
		said(w)
		w.fail(event.ActStart, FailAgain)
		if w.task.State != event.Starting || w.task.Request != nil {
			t.Errorf("%s: task is %s, request %v", name, w.task.State, w.task.Request)
		}
		w.wantOpen(event.ActEnd).finish(event.ActEnd) // the process that has reported
		w.advance(5 * time.Second)
		w.wantOpen(event.ActStart).wantGen(2, 1)
	}
	w := newWorld(t).prepare()
	w.errs(event.ErrorOverloaded)
	w.fail(event.ActStart, FailAgain)
	w.wantOpen(event.ActEnd).finish(event.ActEnd)
	w.advance(time.Minute)
	w.granted()
	w.want(event.Starting, event.Reason(event.WhyAPI)).wantGen(2, 1)
}

func TestExitsOfAnAgent(t *testing.T) {
	t.Parallel()
	own := func(exit, signal int, known bool) Exited {
		return Exited{Gen: 1, Cause: event.CauseOwn, Exit: exit, Signal: signal, Known: known}
	}
	for _, c := range []struct {
		name   string
		traits event.Traits
		in     Exited
		state  event.State
		detail string
	}{
		{"a command that succeeds has ended its turn", command, own(0, 0, true), event.Checking, ""},
		{"a command that fails has crashed", command, own(1, 0, true), event.Starting, "the agent exited with status 1"},
		{"a command that was killed has crashed", command, own(0, 9, true), event.Starting, "the agent was ended by signal 9 (killed)"},
		{"a command of which nobody knows has crashed", command, own(0, 0, false), event.Starting, "the agent's process is gone; its exit status is unknown"},
		{"an agent with turns that ends with status 0 was quit", hooked, own(0, 0, true), event.Parked, "the agent exited with status 0, as when somebody quits it"},
		{"an agent with turns that fails has crashed", hooked, own(1, 0, true), event.Starting, "the agent exited with status 1"},
		{"an agent with turns of which nobody knows has crashed", hooked, own(0, 0, false), event.Starting, "the agent's process is gone; its exit status is unknown"},
		{"an exit of an older generation is none", hooked, Exited{Gen: 0, Cause: event.CauseOwn}, event.Working, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, traits(c.traits)).prepare().launch()
			w.says(event.RecordWorking)
			w.do(c.in)
			if w.task.State != c.state || w.task.Detail != c.detail {
				t.Errorf("%s: %q, want %s: %q", w.task.State, w.task.Detail, c.state, c.detail)
			}
			before := len(w.log)
			w.do(c.in)
			if c.state != event.Working && len(w.log) != before {
				t.Errorf("the same exit once more wrote %d events", len(w.log)-before)
			}
		})
	}
}

func TestCommandThatClaimsNothingAndSucceeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, traits(command)).prepare().launch()
	w.asks("r1")
	w.exit(event.CauseOwn, 0)
	w.want(event.Checking, "")
	if !w.task.Agent.Claimed {
		t.Error("its exit claims nothing")
	}
	w = newWorld(t, traits(command)).prepare().launch()
	w.errs(event.ErrorOther)
	w.exit(event.CauseOwn, 0) // the agent's own retries helped
	w.want(event.Checking, "")
}

func TestEndByMusterIsNoCrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.do(Shelve{})
	w.exit(event.CauseOwn, 0)
	w.wantOpen(event.ActEnd).finish(event.ActEnd)
	w.want(event.Queued, "")
	for _, e := range w.log {
		if p, ok := e.Data.(event.AgentExited); ok && p.Cause != event.CauseEnded {
			t.Errorf("exit is by %s, want %s", p.Cause, event.CauseEnded)
		}
	}
}

func TestSlotLeavesATaskThatWasBroughtBackWhileItEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.errs(event.ErrorAuth)
	w.write(event.RetryRequested{})
	w.want(event.Queued, event.Reason(event.WhyRetry)).wantOpen(event.ActEnd)
	if w.task.NeedsSlot() || !w.task.Slot {
		t.Error("it is in line while its agent ends")
	}
	w.finish(event.ActEnd)
	w.prepare().launch().prompted()
	w.want(event.Working, "").wantGen(2, 1)
}

func TestSlotForATaskThatHasNoUseForItGoesBack(t *testing.T) {
	t.Parallel()
	eachStage(t, func(t *testing.T, w *world, from event.State) {
		slot, started := w.task.Slot, w.count(event.ActStart)
		w.write(event.SlotGranted{})
		switch from {
		case event.Queued:
			w.want(event.Preparing, "")
		case event.Limited: // ending a pause early does no harm
			if w.task.State == event.Limited {
				t.Error("it holds a slot and rests")
			}
		default:
			w.want(from, w.task.Reason)
			if w.task.Slot != slot || w.count(event.ActStart) != started {
				t.Errorf("slot %v, was %v", w.task.Slot, slot)
			}
		}
	})
}

func TestRetryOfABlockedTaskChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, afterT9)
	w.schedule(event.Working)
	w.write(event.RetryRequested{})
	w.want(event.Blocked, "").schedule(event.Working)
	w.want(event.Blocked, "").schedule(event.Done)
	w.want(event.Queued, "")
}

func TestPersonMayTakeATaskOnWhoseDependencyFailed(t *testing.T) {
	t.Parallel()
	for _, p := range []event.Payload{event.RetryRequested{}, event.SendRequested{Message: "m1", Text: "go on without it"}} {
		w := newWorld(t, afterT9)
		w.schedule(event.Failed)
		w.want(event.Parked, ReasonDependency).write(p)
		w.schedule(event.Failed)
		w.prepare().wantGen(1, 1)
		if a := argsOf[event.StartArgs](w); a.Resume {
			t.Error("its first conversation is resumed")
		}
	}
}

// TestAnAgentThatIsQuitWhileChecksRun checks that the verdict about work that is finished counts, and that nothing is published of
// a turn that a person broke off beside the checks.
func TestAnAgentThatIsQuitWhileChecksRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	w.exit(event.CauseOwn, 0)
	w.want(event.Checking, "").wantOpen(event.ActCheck).finish(event.ActCheck, green("x"))
	w.want(event.Publishing, "")

	w = newWorld(t).work().endTurn()
	w.exit(event.CauseOwn, 0)
	w.finish(event.ActCheck, red("x", "no"))
	w.want(event.Starting, event.Reason(event.WhyFeedback)).wantOpen(event.ActStart).wantGen(2, 1)
	if a := argsOf[event.StartArgs](w); !a.Resume || !slices.Equal(a.Messages, []event.MessageID{"m1"}) {
		t.Errorf("the next generation resumes %t with %v, want the conversation with m1", a.Resume, a.Messages)
	}

	w = newWorld(t).work().endTurn()
	w.tell() // waits for the verdict
	w.exit(event.CauseOwn, 0)
	w.finish(event.ActCheck, green("x"))
	w.wantOpen(event.ActStart).wantGen(2, 1)

	w = newWorld(t).work().endTurn()
	w.says(event.RecordWorking) // the person has typed something
	w.exit(event.CauseOwn, 0)
	w.want(event.Parked, ReasonQuit)

	broken := func() *world {
		w := newWorld(t).work().endTurn()
		w.says(event.RecordWorking)
		w.write(event.InterruptRequested{})
		w.finish(event.ActInterrupt)
		w.says(event.RecordIdle)
		return w.want(event.Checking, "")
	}
	w = broken()
	w.exit(event.CauseOwn, 0)
	w.want(event.Parked, ReasonQuit)

	w = broken()
	w.finish(event.ActCheck, green("x"))
	w.want(event.Working, "").wantOpen()
}
