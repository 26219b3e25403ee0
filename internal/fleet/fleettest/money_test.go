package fleettest

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/event"
	"muster/internal/fleet"
	"muster/internal/life"
	"muster/internal/store"
)

// TestNightOfBudgets lets two agents work on an account with a hard budget, and two on one without. The tasks of the first
// need two nights.
func TestNightOfBudgets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		const limit, price, agents = 4.0, 0.1, 2
		w := newWorld(newLuck(Plan{Seed: 1}), 4, dir)
		hard := life.Allowance{SharedBudget: event.SharedBudget{CostUSD: limit, Soft: 1, Hard: true}, Dusk: 18 * time.Hour}
		w.accounts = []fleet.AccountSettings{
			{Name: "a", MaxAgents: agents, Spread: 10 * time.Second, Allowance: hard},
			{Name: "b", MaxAgents: agents, Spread: 10 * time.Second},
		}
		w.night = &night{need: 30 * time.Minute, price: price, worked: map[event.TaskID]time.Duration{}}
		var ids []event.TaskID
		for _, who := range []string{"k1", "k2", "k3", "k4"} {
			ids = append(ids, w.queue(who, w.nightSpec(who)))
		}
		dusk := time.Date(2000, 1, 1, 18, 0, 0, 0, time.UTC)
		ctx, stop := context.WithDeadline(t.Context(), dusk.Add(2*time.Hour))
		defer stop()
		w.wg.Go(func() { _ = w.supervise(ctx) })
		time.Sleep(2 * time.Hour)
		w.set(func() {
			for i, id := range ids {
				want := event.Limited
				if w.judge.tasks[id].Account() == "b" {
					want = event.Done
				}
				if task := w.judge.tasks[id]; task.State != want {
					t.Errorf("%s on %s is %s (%s), want %s", ids[i], task.Account(), task.State, task.Detail, want)
				}
			}
		})
		w.verb(ids[0], verbs[0]) // what a person says waits
		<-ctx.Done()
		w.endAll()
		for _, b := range w.broken {
			t.Error(b)
		}
		for _, id := range ids {
			gen := 1
			if w.judge.tasks[id].Account() == "a" {
				gen = 2 // it was interrupted once
			}
			if task := w.judge.tasks[id]; task.State != event.Done || task.Attempt != 1 || task.Gen != gen {
				t.Errorf("%s on %s is %s (%s), attempt %d, generation %d\n%s", id, task.Account(), task.State, task.Detail, task.Attempt, task.Gen, strings.Join(w.story(id), "\n"))
			}
		}
		var rested time.Time
		most := map[time.Time]float64{}
		for e, err := range w.Log.Events(context.Background(), store.EventFilter{}) {
			switch p := e.Data.(type) {
			case event.AccountRested:
				rested = e.Time
				if e.Account != "a" || p.Cause != event.RestBudget || !p.Until.Equal(dusk) {
					t.Errorf("%s rests for %s until %s", e.Account, p.Cause, p.Until)
				}
			case event.AccountSpent:
				most[p.Since] = max(most[p.Since], p.Usage.CostUSD)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for since, spent := range most {
			if spent > limit+agents*price {
				t.Errorf("in the night from %s $%.2f was spent, and the limit is $%.2f", since, spent, limit)
			}
		}
		for _, p := range w.night.prompts {
			if p.account == "a" && p.at.After(rested) && p.at.Before(dusk) {
				t.Errorf("%s was given a prompt at %s, and its account rested", p.task, p.at)
			}
		}
		if len(most) < 2 || rested.IsZero() {
			t.Errorf("nights %v, the account rested at %s", most, rested)
		}
	})
}
