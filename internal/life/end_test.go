package life

import (
	"testing"
	"time"

	"muster/internal/event"
)

// stages lists all situations of a task in which something unexpected may happen.
var stages = []struct {
	name  string
	state event.State
	to    func(*world)
}{
	{"queued", event.Queued, func(*world) {}},
	{"preparing", event.Preparing, func(w *world) { w.granted() }},
	{"being started", event.Starting, func(w *world) { w.prepare() }},
	{"before its first record", event.Starting, func(w *world) { w.prepare().launch() }},
	{"in the pause between attempts", event.Starting, func(w *world) { w.work().crash().launch().crash() }},
	{"after a launch that failed", event.Starting, func(w *world) { w.prepare().fail(event.ActStart, FailAgain) }},
	{"working", event.Working, func(w *world) { w.work() }},
	{"waiting", event.Waiting, func(w *world) { w.work().asks("r1") }},
	{"stalled", event.Stalled, func(w *world) { w.work().silence() }},
	{"limited", event.Limited, func(w *world) { w.work().errs(event.ErrorRateLimit) }},
	{"limited, its agent gone", event.Limited, func(w *world) {
		w.work().errs(event.ErrorRateLimit)
		w.exit(event.CauseOwn, 1)
	}},
	{"checking", event.Checking, func(w *world) { w.work().endTurn() }},
	{"checking, its agent gone", event.Checking, func(w *world) { w.work().endTurn().exit(event.CauseOwn, 1) }},
	{"with feedback under way", event.Working, func(w *world) { w.work().endTurn().finish(event.ActCheck, red("x", "no")) }},
	{"publishing", event.Publishing, func(w *world) { w.work().endTurn().finish(event.ActCheck, green("x")) }},
	{"in review", event.InReview, func(w *world) { w.review() }},
	{"parked", event.Parked, func(w *world) { w.park() }},
}

// crash ends the agent by its own fault.
func (w *world) crash() *world {
	w.t.Helper()
	w.exit(event.CauseOwn, 1)
	return w
}

// calm finishes all open actions successfully until none is open.
func (w *world) calm() *world {
	w.t.Helper()
	for range 20 {
		if len(w.task.Open) == 0 {
			return w
		}
		a := w.task.Open[0]
		var facts []event.Payload
		switch a.Kind() {
		case event.ActPrepare:
			facts = append(facts, readyFact())
		case event.ActStart:
			facts = append(facts, launchedFact(a.Gen))
		case event.ActKeep:
			facts = append(facts, event.WorkKept{Ref: "refs/muster/keep/1"})
		case event.ActCheck:
			facts = append(facts, green("x"))
		case event.ActPublish:
			facts = append(facts, publishedFact())
		case event.ActClean:
			facts = append(facts, event.WorktreeRemoved{})
		default:
		}
		w.do(Finished{ID: a.ID, Facts: facts})
	}
	w.t.Fatalf("no calm: %s", asJSON(w.task))
	return w
}

func eachStage(t *testing.T, run func(*testing.T, *world, event.State), change ...func(*event.Spec)) {
	t.Helper()
	for _, stage := range stages {
		t.Run(stage.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, change...)
			stage.to(w)
			w.want(stage.state, w.task.Reason)
			run(t, w, stage.state)
		})
	}
}

func TestStopCancelsAndKeepsTheWorkWhereverATaskStands(t *testing.T) {
	t.Parallel()
	eachStage(t, func(t *testing.T, w *world, from event.State) {
		started, worktree := w.count(event.ActStart), w.task.Worktree != ""
		w.write(event.StopRequested{})
		w.calm()
		if from == event.Publishing {
			w.want(event.Done, "") // publishing is not stopped half-way
			return
		}
		w.want(event.Cancelled, ReasonStopped)
		if worktree && len(w.task.Kept) == 0 {
			t.Error("its work was not kept")
		}
		if w.task.Agent.Live || w.task.Slot || w.count(event.ActStart) > started {
			t.Errorf("something of it goes on: %s", asJSON(w.task))
		}
		w.advance(100 * time.Hour)
		w.wantOpen()
	})
}

func TestStopTwiceIsStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.write(event.StopRequested{})
	w.write(event.StopRequested{})
	w.wantOpen(event.ActEnd).calm().want(event.Cancelled, ReasonStopped)
	w.write(event.StopRequested{})
	w.wantOpen().want(event.Cancelled, ReasonStopped)
}

func TestAStoppedTaskStartsNoAgentWhenItsPauseIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().crash().launch().crash()
	w.write(event.StopRequested{})
	w.finish(event.ActEnd)
	w.wantOpen(event.ActKeep).advance(time.Hour)
	w.wantOpen(event.ActKeep).want(event.Starting, w.task.Reason)
	w.calm().want(event.Cancelled, ReasonStopped)
}

func TestStopOfWorkThatCannotBePublishedCancels(t *testing.T) {
	t.Parallel()
	for _, how := range []FailureKind{FailRefused, FailMoved} {
		w := newWorld(t).work().endTurn()
		w.finish(event.ActCheck, green("x"))
		w.write(event.StopRequested{})
		w.fail(event.ActPublish, how)
		w.calm().want(event.Cancelled, ReasonStopped)
		if len(w.task.Kept) != 1 {
			t.Errorf("%s: kept %v, want one ref", how, w.task.Kept)
		}
	}
}

func TestShelvedTaskIsResumedInItsConversation(t *testing.T) {
	t.Parallel()
	eachStage(t, func(t *testing.T, w *world, from event.State) {
		conversation, attempt, planned := w.task.Conversation, w.task.Attempt, w.task.Next
		gen := w.task.Gen
		w.do(Shelve{})
		w.calm()
		switch from {
		case event.Queued, event.InReview, event.Parked:
			w.want(from, w.task.Reason) // nothing of it runs
			return
		case event.Publishing:
			w.want(event.Done, "")
			return
		}
		w.want(event.Queued, "")
		if w.task.Slot || w.task.Agent.Live || w.task.Shelved || len(w.task.Deadlines) > 0 {
			t.Fatalf("not taken down: %s", asJSON(w.task))
		}
		w.granted()
		w.calm()
		w.advance(15 * time.Second) // a pause that was stopped must end first
		if w.task.Gen != gen+1 {
			t.Fatalf("generation %d, want %d", w.task.Gen, gen+1)
		}
		if a := w.last(event.ActStart).Args.(event.StartArgs); gen > 0 && (!a.Resume || a.Conversation != conversation) {
			t.Errorf("started %+v, want conversation %s resumed", a, conversation)
		}
		if want := max(1, attempt); planned.Fault() && w.task.Agent.Launches == 0 && w.task.Attempt != want+1 {
			t.Errorf("attempt %d, want %d: the crash before counts", w.task.Attempt, want+1)
		} else if !planned.Fault() && w.task.Attempt != want {
			t.Errorf("attempt %d, want %d: to be shelved is no fault", w.task.Attempt, want)
		}
	})
}

func TestShelvedChecksAreNotBegunAgain(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world){
		"red":    func(w *world) { w.finish(event.ActCheck, red("x", "no")) },
		"green":  func(w *world) { w.finish(event.ActCheck, green("x")) },
		"broken": func(w *world) { w.fail(event.ActCheck, FailAgain) },
	} {
		w := newWorld(t).work().endTurn()
		w.do(Shelve{})
		end(w)
		w.wantOpen(event.ActEnd).finish(event.ActEnd)
		w.want(event.Queued, "")
		if n := w.count(event.ActCheck) + w.count(event.ActPublish); n != 1 {
			t.Errorf("%s: %d checks and publications, want the one check", name, n)
		}
	}
}

func TestTimeFailsATaskWhereverItsAgentStands(t *testing.T) {
	t.Parallel()
	eachStage(t, func(t *testing.T, w *world, from event.State) {
		switch from {
		case event.Queued, event.Preparing, event.Parked, event.InReview:
			if _, ok := w.task.Deadline(event.DeadlineTimeout); ok {
				t.Error("its time runs, and it has no agent")
			}
			return
		case event.Publishing:
			w.advance(4 * time.Hour)
			w.want(event.Publishing, "").calm().want(event.Done, "")
			return
		case event.Limited, event.Waiting, event.Checking: // the agent can do nothing in these states
			d, _ := w.task.Deadline(event.DeadlineTimeout)
			if d.Left <= 0 || d.Left > w.task.Spec.Timeout {
				t.Errorf("its clock does not stand still: %+v", d)
			}
			w.now = w.now.Add(4 * time.Hour)
			w.do(Due{Name: event.DeadlineTimeout})
			w.want(from, w.task.Reason)
			return
		}
		d, ok := w.task.Deadline(event.DeadlineTimeout)
		if !ok {
			t.Fatal("its time has no end")
		}
		w.now = d.At
		w.do(Due{Name: event.DeadlineTimeout})
		w.want(event.Failed, ReasonTimeout)
		if w.task.Agent.Live {
			w.open(event.ActEnd)
		}
		w.calm().want(event.Failed, ReasonTimeout)
		if w.task.Slot || w.task.Agent.Live {
			t.Errorf("something of it goes on: %s", asJSON(w.task))
		}
	})
}

func TestATaskThatIsLateWhenItComesBackFromPublishingFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	w.finish(event.ActCheck, green("x"))
	w.advance(4 * time.Hour)
	w.fail(event.ActPublish, FailMoved)
	w.want(event.Checking, "").advance(2 * time.Minute)
	w.finish(event.ActCheck, red("x", "no"))
	w.want(event.Working, "").advance(2 * time.Minute)
	w.want(event.Failed, ReasonTimeout)
}

// A deadline whose clock is stopped must not stay due when its time has come. Otherwise the supervisor would loop.
func TestDeadlineThatStandsStillMovesWhenTheClockIsSetFarAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	before, _ := w.task.Deadline(event.DeadlineTimeout)
	w.now = before.At.Add(time.Hour)
	w.do(Due{Name: event.DeadlineTimeout})
	after, _ := w.task.Deadline(event.DeadlineTimeout)
	if w.task.State != event.Checking || !after.At.After(w.now) || after.Left != before.Left {
		t.Errorf("%s, %+v after %+v", w.task.State, after, before)
	}
}

func TestTimeThatATaskCouldNotUseDoesNotCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.advance(2 * time.Hour)
	w.report(event.Record{State: event.RecordLimited, Until: w.now.Add(5 * time.Hour)})
	w.advance(5 * time.Hour)
	w.granted()
	w.want(event.Working, "")
	d, _ := w.task.Deadline(event.DeadlineTimeout)
	if left := d.At.Sub(w.now); d.Left != 0 || left < 55*time.Minute || left > time.Hour {
		t.Errorf("after a limit of five hours %s of its three are left, and two were used", left)
	}
}

// TestStopEndsARoundOnceAndWaits: the end of a job takes a moment, so the outcome of the round comes after that of
// the action that ends it.
func TestStopEndsARoundOnceAndWaits(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(w *world){
		"stop":        func(w *world) { w.write(event.StopRequested{}) },
		"down --kill": func(w *world) { w.do(Shelve{}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t).work().endTurn()
			stop(w)
			w.finish(event.ActEnd)
			if name == "down --kill" {
				w.fail(event.ActCheck, FailAgain)
				w.want(event.Queued, "").wantOpen()
				return
			}
			w.advance(endPause / 2)
			if n := w.count(event.ActEnd); n != 1 {
				t.Errorf("it was ended %d times, before the round's outcome came", n)
			}
			w.advance(endPause)
			if n := w.count(event.ActEnd); n != 2 {
				t.Errorf("the round goes on, and it was ended %d times", n)
			}
			w.finish(event.ActEnd)
			w.fail(event.ActCheck, FailAgain)
			w.finish(event.ActKeep)
			w.want(event.Cancelled, ReasonStopped)
		})
	}
}

// TestDownKillWaitsForTheRoundThatItEnds: if the task were queued while its round still runs, nothing would end the
// round.
func TestDownKillWaitsForTheRoundThatItEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	w.do(Shelve{})
	w.finish(event.ActEnd)
	w.want(event.Checking, "").wantOpen(event.ActCheck)
	w.advance(2 * endPause) // it had not started at the first end
	w.finish(event.ActEnd)
	w.fail(event.ActCheck, FailAgain)
	w.want(event.Queued, "").wantOpen()
}

func TestJobOfAParkedTaskIsEndedUntilItIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	w.do(Flooded{Gen: 1, Text: "64 MiB"})
	w.want(event.Parked, ReasonFlood)
	w.finish(event.ActEnd)
	w.wantOpen(event.ActCheck)
	w.advance(2 * endPause)
	w.finish(event.ActEnd)
	w.fail(event.ActCheck, FailAgain)
	w.want(event.Parked, ReasonFlood).wantOpen()
	if _, left := w.task.Deadline(event.DeadlineEnd); left || w.task.Slot {
		t.Errorf("something is left: %s", asJSON(w.task))
	}
}

func TestStopAndDownKillEndTheSetup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.granted()
	w.want(event.Preparing, "")
	w.write(event.StopRequested{})
	w.finish(event.ActEnd)
	w.want(event.Preparing, "").wantOpen(event.ActPrepare)
	w.fail(event.ActPrepare, FailRefused)
	w.want(event.Cancelled, ReasonStopped)

	w = newWorld(t)
	w.granted()
	w.do(Shelve{})
	w.finish(event.ActEnd)
	w.want(event.Preparing, "").wantOpen(event.ActPrepare)
	w.fail(event.ActPrepare, FailRefused)
	w.want(event.Queued, "")
	if w.task.Slot {
		t.Error("it keeps its slot")
	}
}

func TestJobOfATaskThatEndsIsNotWanted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.granted()
	if !Wanted(w.task, event.ActPrepare) || Wanted(w.task, event.ActCheck) {
		t.Error("a task in preparing wants its setup, and no round")
	}
	w.write(event.StopRequested{})
	if Wanted(w.task, event.ActPrepare) {
		t.Error("a task that was stopped wants its setup")
	}
}

func TestAStartThatOutlivesItsTaskIsEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t).prepare()
	w.advance(3 * time.Hour)
	w.want(event.Failed, ReasonTimeout).wantOpen(event.ActStart)
	w.launch().wantOpen(event.ActEnd)
	if !w.task.Slot {
		t.Error("the slot is free, and its agent lives")
	}
	w.finish(event.ActEnd)
	if w.task.Slot || w.task.Agent.Live {
		t.Errorf("something of it goes on: %s", asJSON(w.task))
	}
}

func TestLostServerCostsNoAttempt(t *testing.T) {
	t.Parallel()
	eachStage(t, func(t *testing.T, w *world, from event.State) {
		live, attempt, gen := w.task.Agent.Live, w.task.Attempt, w.task.Gen
		w.exit(event.CauseLost, 0)
		if w.task.Attempt != attempt {
			t.Errorf("attempt %d, want %d", w.task.Attempt, attempt)
		}
		restarted := live && (from == event.Starting || from == event.Working || from == event.Waiting || from == event.Stalled)
		switch {
		case restarted:
			w.want(event.Starting, w.task.Reason).wantGen(gen+1, attempt)
		default:
			w.want(from, w.task.Reason).wantGen(gen, attempt)
		}
	})
}

func TestRemovalOfAParkedTaskCancelsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t).park()
	w.write(event.RemoveRequested{Force: true})
	w.write(event.RemoveRequested{Force: true})
	if a := argsOf[event.RemoveArgs](w); !a.Force || w.count(event.ActRemove) != 1 {
		t.Errorf("removes by %+v, %d times", a, w.count(event.ActRemove))
	}
	w.finish(event.ActRemove, event.WorkKept{Ref: "refs/muster/keep/1"}, event.WorktreeRemoved{}, event.TaskRemoved{})
	w.want(event.Cancelled, ReasonStopped)
	if !w.task.Removed || w.task.Worktree != "" {
		t.Errorf("something is left: %s", asJSON(w.task))
	}
	w.write(event.RemoveRequested{})
	w.wantOpen()
}

func TestRemovalThatIsRefusedChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t).park()
	w.write(event.RemoveRequested{})
	w.fail(event.ActRemove, FailRefused)
	w.want(event.Parked, ReasonNoProgress)
	if w.task.Removed {
		t.Error("it is called removed")
	}
	w = newWorld(t).work()
	w.write(event.RemoveRequested{})
	w.wantOpen().want(event.Working, "")
}

func TestRestoreWaitsUntilNothingWorksInTheWorktree(t *testing.T) {
	t.Parallel()
	eachStage(t, func(t *testing.T, w *world, from event.State) {
		w.write(event.RestoreRequested{Ref: "refs/muster/keep/1"})
		_, restores := w.task.Action(event.ActRestore)
		if want := from == event.Queued || from == event.Parked; restores != want {
			t.Errorf("restores: %v, want %v", restores, want)
		}
	})
}

func TestAfterTheHostSleptDurationsMoveAndInstantsDoNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	timeout, _ := w.task.Deadline(event.DeadlineTimeout)
	w.now = w.now.Add(6 * time.Hour)
	w.do(Slept{Gap: 6 * time.Hour})
	if d, _ := w.task.Deadline(event.DeadlineTimeout); !d.At.Equal(timeout.At.Add(6 * time.Hour)) {
		t.Errorf("timeout at %s, want it 6 h after %s", d.At, timeout.At)
	}
	reset := w.now.Add(5 * time.Hour)
	w.report(event.Record{State: event.RecordLimited, Until: reset})
	timeout, _ = w.task.Deadline(event.DeadlineTimeout)
	w.now = w.now.Add(6 * time.Hour)
	w.do(Slept{Gap: 6 * time.Hour})
	if d, _ := w.task.Deadline(event.DeadlineTimeout); d != timeout {
		t.Errorf("timeout at %+v, and its clock stands still: %+v", d, timeout)
	}
	if d, _ := w.task.Deadline(event.DeadlineAPIRetry); !d.At.Equal(reset) || !d.Instant {
		t.Errorf("limit ends at %+v, want %s", d, reset)
	}
	w.advance(0)
	w.want(event.Limited, event.Reason(event.ErrorRateLimit)).granted()
	w.want(event.Working, "")
}

// TestWhatCannotBeEndedIsTriedAgain: a process that waits in the kernel does not end when it is killed, and ends later.
func TestWhatCannotBeEndedIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.write(event.StopRequested{})
	for range maxEnds {
		w.fail(event.ActEnd, FailAgain)
	}
	w.finish(event.ActKeep)
	w.want(event.Cancelled, ReasonStopped)
	if !w.task.Left() || w.task.Slot || w.task.Agent.Live {
		t.Fatalf("it is not known as left over: %s", asJSON(w.task))
	}
	w.wantOpen().advance(LeftPause)
	w.fail(event.ActEnd, FailAgain)
	w.wantOpen().advance(LeftPause)
	w.finish(event.ActEnd)
	if w.wantOpen(); w.task.Left() || len(w.task.Deadlines) > 0 {
		t.Errorf("its end is not known: %s", asJSON(w.task))
	}
	w.advance(4 * LeftPause)
	w.wantOpen()
}

func TestWhatCouldNotBeEndedOfAParkedTaskIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	w.finish(event.ActCheck, green("x"))
	w.fail(event.ActPublish, FailRefused)
	for range maxEnds {
		w.fail(event.ActEnd, FailAgain)
	}
	if w.want(event.Parked, ReasonPublish); !w.task.Left() || w.task.Slot {
		t.Fatalf("it is not known as left over: %s", asJSON(w.task))
	}
	w.wantOpen().advance(LeftPause)
	w.finish(event.ActEnd)
	if w.wantOpen(); w.task.Left() {
		t.Errorf("its end is not known: %s", asJSON(w.task))
	}
}
