package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/event"
	"muster/internal/fleet/fleettest"
	"muster/internal/life"
	"muster/internal/store"
)

// night dispatches tasks into a world and supervises them, with a supervisor that is killed now and then, until
// nothing can go on without a person.
type night struct {
	w     *fleettest.World
	tasks int
	slots int
	kills int
}

func spec(i int, after ...event.TaskID) event.Spec {
	return event.Spec{
		Name: fmt.Sprintf("task %d", i), Slug: "x", Repo: "/r", Kind: "fake", Agent: "fake", Publish: event.PublishBranch,
		Checks: []event.Check{{Name: "test", Run: "test", Timeout: time.Minute}}, After: after,
		Attempts: 3, Respawns: 20, Rounds: 5, Timeout: 3 * time.Hour, WaitLimit: 15 * time.Minute, Keep: time.Hour,
		Traits: event.Traits{Door: event.DoorMailbox, FirstRecord: 30 * time.Second, Resumes: true},
	}
}

func (n night) dispatch(t *testing.T) {
	t.Helper()
	for i := range n.tasks {
		err := n.w.Log.Request(t.Context(), func(tx *store.Tx) error {
			var after []event.TaskID
			if i%10 == 9 {
				after = append(after, event.NewTaskID(i))
			}
			_, err := tx.Append(tx.NewTaskID(), 0, event.DispatchRequested{Spec: spec(i, after...), Prompt: "do it"})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// run supervises until the night is over; between two deaths of the supervisor lie up to ten minutes.
func (n night) run(t *testing.T, rng *rand.Rand) {
	t.Helper()
	for i := 0; ; i++ {
		limit := 300 * 24 * time.Hour
		if i < n.kills {
			limit = time.Duration(rng.Int64N(int64(10 * time.Minute)))
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		done := make(chan struct{})
		go func() { // the night is over when nothing but kept screens is left
			defer close(done)
			for ctx.Err() == nil {
				time.Sleep(time.Minute)
				if n.over(t) {
					cancel()
				}
			}
		}()
		err := n.w.Supervise(ctx, n.slots)
		cancel()
		<-done
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, fleettest.ErrDead) {
			t.Fatalf("supervise: %v", err)
		}
		if i >= n.kills {
			return
		}
		if rng.IntN(10) == 0 {
			n.w.KillServer()
		}
	}
}

func (n night) over(t *testing.T) bool {
	t.Helper()
	for id := range n.tasks {
		task, err := n.w.Log.Task(context.WithoutCancel(t.Context()), event.NewTaskID(id+1))
		if err != nil || !task.State.Final() && task.State != event.Parked && task.State != event.Blocked || len(task.Open) > 0 {
			return false
		}
	}
	return true
}

func (n night) judge(t *testing.T) map[event.State]int {
	t.Helper()
	counts := map[event.State]int{}
	for id := range n.tasks {
		task, err := n.w.Log.Task(t.Context(), event.NewTaskID(id+1))
		if err != nil {
			t.Fatal(err)
		}
		counts[task.State]++
		if !task.State.Final() && task.State != event.Parked && task.State != event.Blocked {
			t.Errorf("%s is %s (%s) in the morning: %+v", task.ID, task.State, task.Detail, task)
		}
		if task.Slot {
			t.Errorf("%s is %s and still holds a slot", task.ID, task.State)
		}
		if task.Attempt > task.Spec.Attempts || task.Gen > 1+task.Spec.Respawns {
			t.Errorf("%s went past its caps: attempt %d, generation %d", task.ID, task.Attempt, task.Gen)
		}
	}
	for _, b := range n.w.Broken() {
		t.Error(b)
	}
	if diff, err := n.w.Log.Rebuild(t.Context()); err != nil || len(diff) > 0 {
		t.Errorf("the log folds to something else: %v %v", diff, err)
	}
	return counts
}

var _ = life.Task{}

func TestUndisturbedNightEndsWell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := night{w: fleettest.New(1, fleettest.Odds{}), tasks: 40, slots: 4}
		n.dispatch(t)
		n.run(t, rand.New(rand.NewPCG(1, 2)))
		counts := n.judge(t)
		if counts[event.Done] != n.tasks {
			t.Errorf("got %v, want all done", counts)
		}
		n.w.EndAll()
	})
}

func TestNightsWithFaultsAndDeaths(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := night{tasks: 30, slots: 5, kills: 15, w: fleettest.New(seed, fleettest.Odds{
					Crash: 10, Ask: 5, APIError: 5, Lazy: 15, Mute: 5, Red: 40, StartFails: 5, GitFails: 3, Late: 10,
				})}
				n.dispatch(t)
				n.run(t, rand.New(rand.NewPCG(seed, 3)))
				t.Logf("seed %d: %v", seed, n.judge(t))
				n.w.EndAll()
			})
		})
	}
}
