package life

import (
	"strings"
	"testing"

	"muster/internal/event"
)

// races makes a task one of three.
func races(s *event.Spec) { s.Race = &event.Race{Tasks: []event.TaskID{"t1", "t2", "t3"}} }

// passed is a racer whose work passed.
func passed(id event.TaskID, size int) Task {
	round := green("x")
	round.Size = size
	t := Task{ID: id, State: event.InReview, Rounds: Rounds{Last: &round}}
	races(&t.Spec)
	return t
}

func TestDecideRace(t *testing.T) {
	t.Parallel()
	with := func(t Task, change func(*Task)) Task { change(&t); return t }
	in := func(s event.State) func(*Task) { return func(t *Task) { t.State = s } }
	for _, c := range []struct {
		name   string
		all    []Task
		winner event.TaskID
	}{
		{"the smallest", []Task{passed("t1", 9), passed("t2", 3), passed("t3", 4)}, "t2"},
		{"the first of equals", []Task{passed("t1", 3), passed("t2", 3)}, "t1"},
		{"one still works", []Task{passed("t1", 3), with(passed("t2", 1), in(event.Working))}, ""},
		{"one asks", []Task{passed("t1", 3), with(passed("t2", 1), in(event.Waiting))}, ""},
		{"one is being stopped", []Task{passed("t1", 3), with(passed("t2", 1), func(t *Task) { t.Stopping = true })}, ""},
		{"one is parked", []Task{with(passed("t1", 1), in(event.Parked)), passed("t2", 3)}, "t2"},
		{"one has failed, one was cancelled", []Task{with(passed("t1", 1), in(event.Failed)), with(passed("t2", 1), in(event.Cancelled)), passed("t3", 30)}, "t3"},
		{"the agent of one is being ended", []Task{passed("t1", 3), with(passed("t2", 4), func(t *Task) { t.Open = []event.Action{{}} })}, ""},
		{"none has passed", []Task{with(passed("t1", 1), in(event.Parked)), with(passed("t2", 1), in(event.Failed))}, ""},
		{"it is decided", []Task{with(passed("t1", 9), func(t *Task) { t.Race = &event.RaceDecided{Winner: "t1"} }), passed("t2", 3)}, "t1"},
	} {
		d, ok := DecideRace(c.all)
		if d.Winner != c.winner || ok != (c.winner != "") {
			t.Errorf("%s: %v, %v, want %q", c.name, d, ok, c.winner)
		}
	}
}

// raceToGreen is a racer whose work has passed and whose agent has ended.
func raceToGreen(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, races).work().endTurn()
	w.finish(event.ActCheck, green("x"))
	w.want(event.InReview, "")
	w.finish(event.ActEnd)
	if w.task.Slot || w.task.Agent.Live || !w.task.AwaitsRace() {
		t.Fatalf("it does not wait at rest: %s", asJSON(w.task))
	}
	return w
}

func TestRace_TheWinnerIsPublished(t *testing.T) {
	t.Parallel()
	w := raceToGreen(t)
	w.do(Raced{event.RaceDecided{Winner: "t1", Why: "best"}})
	w.want(event.Publishing, "")
	if a := argsOf[event.PublishArgs](w); a.Tree != "x" {
		t.Errorf("published %+v", a)
	}
	w.do(Raced{event.RaceDecided{Winner: "t1", Why: "best"}}) // it may come again
	w.finish(event.ActPublish, publishedFact())
	w.finish(event.ActEnd)
	w.finish(event.ActClean, event.WorktreeRemoved{})
	w.want(event.Done, "")
}

func TestRace_ALoserIsStoppedAndKept(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]*world{"waits": raceToGreen(t), "works": newWorld(t, races).work()} {
		w.do(Raced{event.RaceDecided{Winner: "t2", Why: "best"}})
		if name == "works" {
			w.finish(event.ActEnd, event.AgentExited{Cause: event.CauseEnded})
		}
		w.finish(event.ActKeep, event.WorkKept{Ref: "refs/muster/keep/t1/1"})
		w.want(event.Cancelled, ReasonRaced)
		if len(w.task.Kept) != 1 || !strings.Contains(w.task.Detail, "t2") {
			t.Errorf("%s: kept %v, %q", name, w.task.Kept, w.task.Detail)
		}
	}
}

func TestRace_WorkThatMovedAfterItWonIsAPersons(t *testing.T) {
	t.Parallel()
	w := raceToGreen(t)
	w.do(Raced{event.RaceDecided{Winner: "t1", Why: "best"}})
	w.fail(event.ActPublish, FailMoved)
	w.want(event.Parked, ReasonPublish)
	w.write(event.RetryRequested{})
	w.want(event.Queued, "retry")
}

func TestRace_AMessageTakesAWaitingRacerBackToWork(t *testing.T) {
	t.Parallel()
	w := raceToGreen(t)
	w.write(event.SendRequested{Message: event.NewMessageID(1), Text: "think of the docs"})
	w.want(event.Queued, event.Reason(event.WhyMessage))
	if w.task.AwaitsRace() {
		t.Error("it still waits")
	}
}

func TestRace_AStoppedRacerIsOut(t *testing.T) {
	t.Parallel()
	w := raceToGreen(t)
	w.write(event.StopRequested{})
	w.finish(event.ActEnd)
	w.finish(event.ActKeep)
	w.want(event.Cancelled, ReasonStopped)
	w.do(Raced{event.RaceDecided{Winner: "t2", Why: "best"}})
	if w.task.Race != nil {
		t.Error("it takes part in the decision")
	}
}
