package life

import (
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/event"
)

// lack ends the open action of a kind with a shortage.
func (w *world) lack(kind event.ActionKind, place event.Place) {
	w.t.Helper()
	w.do(Finished{ID: w.open(kind).ID, Failure: &Failure{Kind: FailAgain, Text: "no room", Lack: place}})
}

// tries ends the pause of the postponed action and gives it a slot.
func (w *world) tries() []event.Action {
	w.t.Helper()
	d, ok := w.task.Deadline(event.DeadlineLack)
	if !ok {
		w.t.Fatalf("nothing is put off: %s", asJSON(w.task))
	}
	w.now = d.At
	w.do(Due{Name: d.Name})
	before := len(w.actions)
	w.granted()
	return w.actions[before:]
}

// preparing grants the slot for making the worktree.
func (w *world) preparing() *world {
	w.t.Helper()
	w.granted()
	return w
}

// Each action that may wait is postponed, holds no slot meanwhile, and uses no allowance.
func TestShortagePutsAnActionOff(t *testing.T) {
	t.Parallel()
	for kind, begin := range map[event.ActionKind]func(*world){
		event.ActPrepare: func(w *world) { w.preparing() },
		event.ActStart:   func(w *world) { w.prepared() },
		event.ActCheck:   func(w *world) { w.work().endTurn() },
		event.ActPublish: func(w *world) { w.work().endTurn(); w.finish(event.ActCheck, green("x")) },
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			begin(w)
			state, gen, attempt, rounds, id := w.task.State, w.task.Gen, w.task.Attempt, w.task.Rounds.Count, w.open(kind).ID
			for range 5 {
				w.lack(kind, event.PlaceRepository)
				if !w.task.AwaitsRoom() || w.task.Slot || w.task.NeedsSlot() {
					t.Fatalf("it does not wait without a slot: %s", asJSON(w.task))
				}
				if tried := w.tries(); len(tried) != 1 || tried[0].ID != id {
					t.Fatalf("tried again: %v, want %s", tried, id)
				}
			}
			w.want(state, "")
			if w.task.Gen != gen || w.task.Attempt != attempt || w.task.Rounds.Count != rounds || w.task.Rounds.Voids != 0 {
				t.Errorf("it used something up: %s", asJSON(w.task))
			}
		})
	}
}

// The pause between two tries grows, up to a limit. It ends early when the shortage may be over.
func TestPutOffActionIsTriedAgainAtGrowingPauses(t *testing.T) {
	t.Parallel()
	w := newWorld(t).preparing()
	for _, want := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 2 * time.Minute, 2 * time.Minute} {
		w.lack(event.ActPrepare, event.PlaceMachine)
		if d, _ := w.task.Deadline(event.DeadlineLack); d.At.Sub(w.now) != want {
			t.Errorf("the pause is %v, want %v", d.At.Sub(w.now), want)
		}
		w.tries()
	}
	w.lack(event.ActPrepare, event.PlaceMachine)
	w.do(Roomy{})
	w.granted()
	w.finish(event.ActPrepare, readyFact())
	w.want(event.Starting, "")
}

// A postponed check is tried again. When it has started to work, the shortage is over, even if it runs long. The
// limit for postponing still counts from the first shortage, and then a person is asked.
func TestPutOffCheckKeepsItsAgeWhileItRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	gate := func() string {
		for _, e := range Schedule(Fleet{Tasks: []Task{w.task}, Slots: 1}, w.now) {
			if p, ok := e.Data.(event.GateClosed); ok {
				return p.Reason
			}
		}
		return ""
	}
	began := w.now
	for range 3 {
		w.lack(event.ActCheck, event.PlaceMachine)
		if gate() == "" {
			t.Error("the gate is open while it waits")
		}
		w.tries()
		if gate() == "" {
			t.Error("the gate is open before it has begun")
		}
		w.do(Begun{ID: w.open(event.ActCheck).ID})
		if why := gate(); why != "" {
			t.Errorf("the gate is closed while it runs: %s", why)
		}
		w.now = w.now.Add(time.Hour)
	}
	w.lack(event.ActCheck, event.PlaceMachine)
	if d, ok := w.task.Deadline(event.DeadlineLackEnd); !ok || d.At.Sub(began) != longestLack {
		t.Fatalf("it may be put off until %v", d)
	}
	w.now = began.Add(longestLack)
	w.do(Due{Name: event.DeadlineLackEnd})
	w.want(event.Parked, ReasonChecksBroken)
	if gate() != "" {
		t.Error("the gate is closed for a task that has ended")
	}
}

// A try that runs when the limit is reached is the last one.
func TestPutOffActionHasItsLastTry(t *testing.T) {
	t.Parallel()
	w := newWorld(t).preparing()
	w.lack(event.ActPrepare, event.PlaceRepository)
	w.tries()
	d, _ := w.task.Deadline(event.DeadlineLackEnd)
	w.now = d.At
	w.do(Due{Name: d.Name})
	w.want(event.Preparing, "")
	w.lack(event.ActPrepare, event.PlaceRepository)
	w.want(event.Parked, ReasonPrepare)
}

// A postponed action ends at once with its task.
func TestPutOffActionEndsWithItsTask(t *testing.T) {
	t.Parallel()
	t.Run("stop", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t).work().endTurn()
		w.lack(event.ActCheck, event.PlaceRepository)
		w.write(event.StopRequested{})
		w.wantOpen(event.ActEnd)
	})
	t.Run("down", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t).preparing()
		w.lack(event.ActPrepare, event.PlaceMachine)
		w.do(Shelve{})
		w.want(event.Queued, "")
		if w.task.Slot || len(w.task.Open) > 0 || w.task.PutOff != nil || len(w.task.Deadlines) > 0 {
			t.Errorf("something is left: %s", asJSON(w.task))
		}
	})
}

// Launches that meet a shortage only use generations, at growing pauses, and close admission. Admission opens again
// when the task has failed for good.
func TestLaunchesWithoutRoomShutTheGateUntilTheTaskHasFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *event.Spec) { s.Respawns = 3 }).prepared().launch()
	gate := func() string {
		var s Shortages
		s.Add(&w.task, NewPlaces(nil, w.now))
		return s.Machine
	}
	began := w.now
	for !w.task.State.Final() {
		w.do(Exited{Gen: w.task.Gen, Cause: event.CauseLost, Exit: 75, Known: true, Lack: "a launch lacked something"})
		if w.task.State.Final() {
			break
		}
		if gate() == "" {
			t.Fatal("the gate is open while the next launch waits")
		}
		w.tries()
		w.finish(event.ActStart, launchedFact(w.task.Gen))
		if why := gate(); why != "" {
			t.Fatalf("the gate is closed after a start that worked: %s", why)
		}
	}
	w.want(event.Failed, ReasonRespawns)
	if w.task.Attempt != 1 || w.now.Sub(began) < 35*time.Second {
		t.Errorf("attempt %d after %v", w.task.Attempt, w.now.Sub(began))
	}
	if why := gate(); why != "" {
		t.Errorf("the gate is closed for a task that has failed: %s", why)
	}
}

// A process that muster could not end holds the lock of the task. That is no shortage of the machine, so admission
// stays open. The task is parked, and the launch was no attempt.
func TestLaunchThatFindsTheLockHeldParksTheTaskAndShutsNoGate(t *testing.T) {
	t.Parallel()
	w := newWorld(t).prepared().launch()
	w.do(Exited{Gen: w.task.Gen, Cause: event.CauseLost, Exit: 69, Known: true, Held: "4711 holds its lock"})
	var s Shortages
	if s.Add(&w.task, NewPlaces(nil, w.now)); s.Machine != "" {
		t.Errorf("the gate is closed: %s", s.Machine)
	}
	w.wantOpen(event.ActEnd)
	w.finish(event.ActEnd)
	w.want(event.Parked, ReasonLaunch)
	if w.task.Attempt != 1 || !strings.Contains(w.task.Detail, "4711") {
		t.Errorf("attempt %d: %s", w.task.Attempt, w.task.Detail)
	}
}

// The task's clock is stopped while it waits for the end of a shortage.
func TestPutOffActionDoesNotUseUpTheTasksTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t).prepared()
	before, _ := w.task.Deadline(event.DeadlineTimeout)
	left := before.At.Sub(w.now)
	w.lack(event.ActStart, event.PlaceMachine)
	w.now = w.now.Add(10 * time.Hour)
	w.do(Roomy{})
	w.granted()
	if after, _ := w.task.Deadline(event.DeadlineTimeout); after.At.Sub(w.now) != left {
		t.Errorf("%v are left of %v", after.At.Sub(w.now), left)
	}
}

// A shortage at a repository holds back only the tasks that need a worktree of it. Admission stays open.
func TestShortageOfARepositoryHoldsItsOwnTasksOnly(t *testing.T) {
	t.Parallel()
	repo := func(path string) func(*Task) { return func(t *Task) { t.Spec.GitDir = path } }
	putOff := func(place event.Place) func(*Task) {
		return func(t *Task) {
			*t = Apply(*t, event.Event{Subject: event.OfTask(t.ID), Data: event.ActionIntended{Action: event.Action{ID: "a1", Args: event.PrepareArgs{}}}})
			*t = Apply(*t, event.Event{Subject: event.OfTask(t.ID), Data: event.ActionPutOff{ID: "a1", What: event.ActPrepare, Place: place, Why: "read-only"}})
			*t = Apply(*t, event.Event{Subject: event.OfTask(t.ID), Data: event.DeadlineSet{Name: event.DeadlineLack, At: dawn.Add(time.Minute)}})
		}
	}
	for _, c := range []struct {
		name    string
		place   event.Place
		granted []event.TaskID
		shut    bool
	}{
		{"repository", event.PlaceRepository, []event.TaskID{"t3", "t4"}, false},
		{"machine", event.PlaceMachine, nil, true},
	} {
		f := crew{t: t}
		f.fleet.Slots = 9
		f.add(1, in(event.Preparing, false), repo("/full/.git"), putOff(c.place))
		f.add(2, repo("/full/.git"))
		f.add(3, repo("/fine/.git"))
		f.add(4, resting, repo("/full/.git")) // it has a worktree already
		var granted []event.TaskID
		shut := false
		for _, e := range Schedule(f.fleet, dawn) {
			switch e.Data.(type) {
			case event.SlotGranted:
				granted = append(granted, e.Task)
			case event.GateClosed:
				shut = true
			}
		}
		if !slices.Equal(granted, c.granted) || shut != c.shut {
			t.Errorf("%s: granted %v, the gate is shut: %t; want %v, %t", c.name, granted, shut, c.granted, c.shut)
		}
	}
}

// A task whose account rests cannot find out whether a shortage is over. It holds back nobody meanwhile, and does so again
// when it may start.
func TestShortageOfATaskWhoseAccountRestsHoldsNobody(t *testing.T) {
	t.Parallel()
	putOff := func(t *Task) {
		*t = Apply(*t, event.Event{Subject: event.OfTask(t.ID), Data: event.ActionIntended{Action: event.Action{ID: "a1", Args: event.StartArgs{}}}})
		*t = Apply(*t, event.Event{Subject: event.OfTask(t.ID), Data: event.ActionPutOff{ID: "a1", What: event.ActStart, Place: event.PlaceMachine, Why: "full"}})
		*t = Apply(*t, event.Event{Subject: event.OfTask(t.ID), Data: event.DeadlineSet{Name: event.DeadlineLack, At: dawn.Add(time.Minute)}})
	}
	for phase, want := range map[Phase][]event.TaskID{"": nil, PhaseResting: {"t2"}} {
		f := crew{t: t}
		f.fleet.Slots = 9
		f.add(1, in(event.Starting, false), putOff, func(t *Task) { t.Uses = "tired" })
		f.add(2, func(t *Task) { t.Uses = "other" })
		f.fleet.Accounts = map[event.AccountID]AccountState{"tired": {Account: Account{ID: "tired", Phase: phase}}}
		var granted []event.TaskID
		for _, e := range Schedule(f.fleet, dawn) {
			if _, ok := e.Data.(event.SlotGranted); ok {
				granted = append(granted, e.Task)
			}
		}
		if !slices.Equal(granted, want) {
			t.Errorf("while the account is %q, slots are granted to %v, want %v", phase, granted, want)
		}
	}
}

// A slot for checks that were put off does not say that the account of the task is back: red work rests.
func TestSlotForAPostponedCheckStartsNoAgentOfAnAccountThatRests(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	w.do(Hold{Account: w.task.Account(), Held: Held{Cause: event.RestLimit, Until: w.now.Add(5 * time.Hour)}})
	w.do(Exited{Gen: w.task.Gen, Cause: event.CauseLost})
	w.lack(event.ActCheck, event.PlaceMachine)
	w.tries()
	w.finish(event.ActCheck, red("x", "no"))
	w.want(event.Limited, event.Reason(event.RestLimit))
}

// An action that ran twice, for example after a death that was reported twice, may succeed after it was postponed.
func TestPutOffActionMayHaveWorkedAllTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work().endTurn()
	w.lack(event.ActCheck, event.PlaceMachine)
	w.lack(event.ActCheck, event.PlaceMachine)
	w.finish(event.ActCheck, red("x", "no"))
	w.want(event.Working, "")
	if !w.task.Slot || w.task.PutOff != nil {
		t.Errorf("it works without a slot: %s", asJSON(w.task))
	}
}

// A remote that cannot be used parks nothing for half a day, is asked at most every five minutes, and holds no other work of
// the repository.
func TestRemoteThatCannotBeUsedIsTriedAgainForHalfADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *event.Spec) { s.Publish, s.Remote = event.PublishPush, "origin" }).work().endTurn()
	w.finish(event.ActCheck, green("x"))
	began, longest := w.now, time.Duration(0)
	for w.lack(event.ActPublish, event.PlaceRemote); w.task.State == event.Publishing && w.now.Sub(began) < 2*longestLack; w.lack(event.ActPublish, event.PlaceRemote) {
		var short Shortages
		short.Add(&w.task, NewPlaces(nil, w.now))
		if other := (Task{State: event.Queued, Spec: w.task.Spec}); short.Machine != "" || short.Holds(&other) {
			t.Fatalf("another task of the repository does not start: %+v", short)
		}
		d, _ := w.task.Deadline(event.DeadlineLack)
		longest = max(longest, d.At.Sub(w.now))
		if end, set := w.task.Deadline(event.DeadlineLackEnd); set && !end.At.After(d.At) {
			w.now = end.At
			w.do(Due{Name: end.Name})
			break
		}
		w.tries()
	}
	w.want(event.Parked, ReasonPublish)
	if waited := w.now.Sub(began); waited < 6*time.Hour || waited > longestLack || longest != longestRemotePause {
		t.Errorf("it was tried for %s, with pauses of at most %s", waited, longest)
	}
}
