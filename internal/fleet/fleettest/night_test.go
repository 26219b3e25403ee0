package fleettest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/event"
	"muster/internal/fleet"
	"muster/internal/store"
)

// TestNightOfLimits lets eight agents on two accounts work for a night: one account meets a limit that is longer than the
// tasks' timeout, and another one within the first hour after it.
func TestNightOfLimits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		const spread = 10 * time.Second
		began := time.Now()
		at := func(d time.Duration) time.Time { return began.Add(d).UTC() }
		w := newWorld(newLuck(Plan{Seed: 1}), 8, dir)
		for _, name := range []event.AccountID{"a", "b"} {
			w.accounts = append(w.accounts, fleet.AccountSettings{Name: name, MaxAgents: 4, Spread: spread, PreferBelow: 90})
		}
		w.night = &night{need: 150 * time.Minute, worked: map[event.TaskID]time.Duration{}, limits: map[event.AccountID][]span{
			"a": {{at(time.Hour), at(6 * time.Hour)}, {at(6*time.Hour + 25*time.Minute), at(8 * time.Hour)}},
			"b": {{at(90 * time.Minute), at(150 * time.Minute)}},
		}}
		var ids []event.TaskID
		for _, who := range []string{"k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8"} {
			ids = append(ids, w.queue(who, w.nightSpec(who)))
		}
		ctx, stop := context.WithTimeout(t.Context(), 14*time.Hour)
		defer stop()
		w.wg.Go(func() { _ = w.supervise(ctx) })
		time.Sleep(70 * time.Minute)
		w.verb(ids[0], verbs[0]) // a person tells a limited agent something
		<-ctx.Done()
		w.endAll()
		for _, b := range w.broken {
			t.Error(b)
		}
		judgeNight(t, w, ids, spread)
	})
}

// nightSpec is a task without anything that chance decides, which may use either of two accounts.
func (w *World) nightSpec(who string) event.Spec {
	s := w.spec(who)
	s.Repo, s.Publish, s.Setup, s.Priority = "/r", event.PublishBranch, "", 0
	s.Traits = event.Traits{Door: event.DoorMailbox, FirstRecord: 30 * time.Second, Resumes: true}
	s.Checks, s.Reviews, s.Silence, s.Respawns, s.Fence, s.Done = nil, nil, 0, 20, nil, event.Demands{}
	s.Accounts = []event.TaskAccount{{Name: "a"}, {Name: "b"}}
	return s
}

func judgeNight(t *testing.T, w *World, ids []event.TaskID, spread time.Duration) {
	t.Helper()
	rested := map[event.AccountID]int{}
	for e, err := range w.Log.Events(context.Background(), store.EventFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := e.Data.(event.AccountRested); ok {
			rested[e.Account]++
		}
	}
	if rested["a"] != 2 || rested["b"] != 1 {
		t.Errorf("incidents: %v, want one for each limit", rested)
	}
	on := map[event.AccountID]int{}
	for _, id := range ids {
		task := w.judge.tasks[id]
		on[task.Account()]++
		if task.State != event.Done || task.Attempt != 1 || task.Gen != 1 {
			t.Errorf("%s is %s (%s), attempt %d, generation %d\n%s", id, task.State, task.Detail, task.Attempt, task.Gen, strings.Join(w.story(id), "\n"))
		}
		for m, n := range w.work(id).heard {
			if n != 1 {
				t.Errorf("%s heard %s %d times", id, m, n)
			}
		}
		for _, m := range task.Messages {
			if m.State != event.MessageAcked {
				t.Errorf("%s: message %s is %s", id, m.ID, m.State)
			}
		}
	}
	if on["a"] != 4 || on["b"] != 4 {
		t.Errorf("tasks on accounts: %v, want four on each", on)
	}
	for _, p := range w.night.prompts {
		if p.limited {
			t.Errorf("%s: a prompt was spent on account %s at %s", p.task, p.account, p.at)
		}
	}
	for account, limits := range w.night.limits {
		for _, l := range limits {
			judgeWaking(t, w, account, l.to, spread)
		}
	}
}

// judgeWaking checks the order in which the agents of an account go on after a limit.
func judgeWaking(t *testing.T, w *World, account event.AccountID, reset time.Time, spread time.Duration) {
	t.Helper()
	var woken []prompt
	for _, p := range w.night.prompts {
		if p.account == account && p.at.After(reset) && p.at.Before(reset.Add(10*time.Minute)) {
			woken = append(woken, p)
		}
	}
	var tasks []event.TaskID
	for i, p := range woken {
		if slices.Contains(tasks, p.task) {
			t.Errorf("account %s: %s was woken twice", account, p.task)
		}
		tasks = append(tasks, p.task)
		switch {
		case i == 0 && p.at.Sub(reset) < time.Minute:
			t.Errorf("account %s: the probe went %s after the reset, want a minute", account, p.at.Sub(reset))
		case i == 1 && p.at.Sub(woken[0].at) < 3*time.Second:
			t.Errorf("account %s: the second agent was woken before the probe had an answer", account)
		case i > 1 && p.at.Sub(woken[i-1].at) < spread-time.Second:
			t.Errorf("account %s: %s after %s, want %s between them", account, p.at, woken[i-1].at, spread)
		}
	}
	if len(woken) != 4 {
		t.Errorf("account %s: %d agents were woken after %s, want 4: %v", account, len(woken), reset, woken)
	}
}
