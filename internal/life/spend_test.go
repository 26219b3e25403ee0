package life

import (
	"testing"
	"time"

	"muster/internal/event"
)

// dusk is the first renewal of a budget after dawn.
var dusk = time.Date(2026, 11, 24, 18, 0, 0, 0, time.UTC)

func dollars(b event.SharedBudget) Allowance {
	b.CostUSD = 10
	return Allowance{SharedBudget: b, Dusk: 18 * time.Hour}
}

// spends counts what a task has used.
func (a *account) spends(by Allowance, usd float64) *account {
	a.t.Helper()
	a.do(AccountSpend{Task: "t1", Usage: event.Usage{CostUSD: usd}, Allowance: by})
	if wrong := BrokenAccount(a.fold); wrong != "" {
		a.t.Fatalf("%+v: %s", a.fold, wrong)
	}
	return a
}

func TestSharedBudget_Levels(t *testing.T) {
	t.Parallel()
	usd := func(f float64) event.Usage { return event.Usage{CostUSD: f} }
	for _, tt := range []struct {
		name   string
		budget event.SharedBudget
		used   event.Usage
		want   event.SpendLevel
	}{
		{"no limit", event.SharedBudget{}, usd(1e6), event.SpendFree},
		{"little", event.SharedBudget{CostUSD: 10}, usd(7.99), event.SpendFree},
		{"the default share", event.SharedBudget{CostUSD: 10}, usd(8), event.SpendSoft},
		{"its own share", event.SharedBudget{CostUSD: 10, Soft: 0.5}, usd(5), event.SpendSoft},
		{"no share", event.SharedBudget{CostUSD: 10, Soft: 1}, usd(9.99), event.SpendFree},
		{"all", event.SharedBudget{CostUSD: 10}, usd(10), event.SpendSpent},
		{"tokens first", event.SharedBudget{CostUSD: 10, Tokens: 100}, event.Usage{InputTokens: 60, OutputTokens: 40, CostUSD: 1}, event.SpendSpent},
		{"reading a cache costs no tokens", event.SharedBudget{Tokens: 100}, event.Usage{CacheReadTokens: 1000}, event.SpendFree},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := (Allowance{SharedBudget: tt.budget}).level(tt.used); got != tt.want {
				t.Errorf("level %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSharedBudget_NightEndsAtTheSameTimeOfDay(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	by := Allowance{Dusk: 18*time.Hour + 30*time.Minute}
	for _, tt := range []struct{ now, since, until string }{
		{"2026-11-24 06:00", "2026-11-23 18:30", "2026-11-24 18:30"},
		{"2026-11-24 18:29", "2026-11-23 18:30", "2026-11-24 18:30"},
		{"2026-11-24 18:30", "2026-11-24 18:30", "2026-11-25 18:30"},
		{"2026-10-25 01:00", "2026-10-24 18:30", "2026-10-25 18:30"}, // summer time ends in this night, which has 25 hours
	} {
		at := func(s string) time.Time {
			parsed, err := time.ParseInLocation("2006-01-02 15:04", s, zone)
			if err != nil {
				t.Fatal(err)
			}
			return parsed
		}
		since, until := by.night(at(tt.now))
		if !since.Equal(at(tt.since)) || !until.Equal(at(tt.until)) {
			t.Errorf("the night of %s is from %s to %s", tt.now, since.In(zone), until.In(zone))
		}
	}
}

func TestSharedBudget_SpentAccountRestsUntilTheNightEnds(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	by := dollars(event.SharedBudget{})
	a.spends(by, 7).rests(time.Time{})
	if a.fold.Spent.Level != event.SpendFree {
		t.Errorf("level %q", a.fold.Spent.Level)
	}
	a.spends(by, 2).rests(time.Time{})
	if a.fold.Spent.Level != event.SpendSoft {
		t.Errorf("level %q, want soft", a.fold.Spent.Level)
	}
	a.spends(by, 1).rests(dusk)
	if a.fold.Cause != event.RestBudget || a.fold.By != "t1" || !a.tried().Equal(dusk) {
		t.Errorf("the account is %+v, tried at %s", a.fold, a.tried())
	}
	a.spends(by, 0.5).rests(dusk) // what was on its way
	if got := a.fold.Spent.Usage.CostUSD; got != 10.5 {
		t.Errorf("spent %v", got)
	}
	a.spends(by, 0)
	if len(a.kinds) != 0 {
		t.Errorf("a look that changes nothing writes %v", a.kinds)
	}
	a.due()
	a.do(Due{Name: event.DeadlineNight})
	if a.fold.Spent != (Spent{}) {
		t.Errorf("after the night: %+v", a.fold.Spent)
	}
	a.spends(by, 1)
	if s := a.fold.Spent; s.Usage.CostUSD != 1 || !s.Since.Equal(dusk) {
		t.Errorf("the next night: %+v", s)
	}
}

func TestSharedBudget_PersonGrantsItOnceMore(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	by := dollars(event.SharedBudget{Soft: 1})
	a.spends(by, 12).rests(dusk)
	a.do(Heard{Payload: event.WakeRequested{}}).rests(time.Time{})
	if a.fold.Phase != PhaseProbing {
		t.Errorf("the account is %+v", a.fold)
	}
	a.spends(by, 9).rests(time.Time{})
	a.spends(by, 1).rests(dusk)
	if got := a.fold.Spent.Usage.CostUSD; got != 22 {
		t.Errorf("the night has spent %v", got)
	}
	// A task that is retried for another reason grants nothing.
	a.do(AccountWake{Why: event.WakePerson})
	a.spends(by, 0).rests(dusk)
}

func TestSharedBudget_SoftLevelIsGrantedOnceMore(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	by := dollars(event.SharedBudget{})
	a.spends(by, 8)
	a.do(Heard{Payload: event.WakeRequested{}})
	if a.spends(by, 0); a.fold.Spent.Level != event.SpendFree {
		t.Errorf("level %q", a.fold.Spent.Level)
	}
	if _, set := deadline(a.fold.Deadlines, event.DeadlineNight); set {
		t.Error("a deadline without a level that it ends")
	}
}

func TestSharedBudget_AnotherConfigurationCountsAtOnce(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	by := dollars(event.SharedBudget{})
	a.spends(by, 12).rests(dusk)
	by.CostUSD = 100
	a.spends(by, 0).rests(time.Time{})
	if a.fold.Phase != PhaseProbing || a.fold.Spent.Level != event.SpendFree {
		t.Errorf("with a higher limit: %+v", a.fold)
	}
	by.CostUSD = 5
	a.spends(by, 0).rests(dusk)
	a.spends(Allowance{}, 0).rests(time.Time{})
	if _, set := deadline(a.fold.Deadlines, event.DeadlineNight); set {
		t.Error("a budget that is gone has a deadline")
	}
}

// An account that rests for two causes rests until both are over.
func TestSharedBudget_OtherRests(t *testing.T) {
	t.Parallel()
	by := dollars(event.SharedBudget{})
	t.Run("a limit that ends earlier", func(t *testing.T) {
		t.Parallel()
		a := newAccount(t)
		a.do(AccountLimited{Task: "t1", Until: dawn.Add(time.Hour)}).spends(by, 12).rests(dusk)
	})
	t.Run("a limit that ends later", func(t *testing.T) {
		t.Parallel()
		a := newAccount(t)
		late := dusk.Add(time.Hour)
		a.spends(by, 12).do(AccountLimited{Task: "t1", Until: late}).rests(late)
		a.spends(by, 1).rests(late)
		a.now = dusk
		a.do(Due{Name: event.DeadlineNight}).rests(late)
		a.due().rests(time.Time{})
	})
	t.Run("a login", func(t *testing.T) {
		t.Parallel()
		a := newAccount(t)
		a.spends(by, 9).do(AccountLimited{Task: "t1", Cause: event.RestAuth}).spends(by, 3)
		if a.fold.Cause != event.RestAuth {
			t.Errorf("it rests for %s", a.fold.Cause)
		}
		a.do(AccountWake{Why: event.WakeCredential}).rests(dusk)
		if a.fold.Cause != event.RestBudget {
			t.Errorf("with a login, and no budget, it rests for %s", a.fold.Cause)
		}
	})
	t.Run("a person", func(t *testing.T) {
		t.Parallel()
		a := newAccount(t)
		a.do(Heard{Payload: event.RestRequested{}}).spends(by, 12)
		if a.fold.Cause != event.RestPerson || !a.fold.Until.IsZero() {
			t.Errorf("it rests for %s until %s", a.fold.Cause, a.fold.Until)
		}
	})
}

func TestSharedBudget_ClockThatIsSetBackGrantsNothing(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	by := dollars(event.SharedBudget{})
	a.now = dusk.Add(time.Minute)
	a.spends(by, 12)
	until := a.fold.Until
	a.now = dusk.Add(-time.Hour)
	a.spends(by, 1).rests(until)
	a.now = dusk.Add(-48 * time.Hour) // a clock that was wrong by days must not stop the account for days
	a.spends(by, 1)
	if !a.fold.Spent.Until.Before(dusk) {
		t.Errorf("the night ends at %s", a.fold.Spent.Until)
	}
}

// The night is no account: nothing has to be tried when it ends.
func TestSharedBudget_NightNeedsNoProbe(t *testing.T) {
	t.Parallel()
	night := Account{ID: event.NightBudget}
	now := dawn
	do := func(in Input) {
		for _, e := range DecideAccount(night, in, now) {
			night = ApplyAccount(night, e)
		}
	}
	do(AccountSpend{Task: "t1", Usage: event.Usage{CostUSD: 11}, Allowance: dollars(event.SharedBudget{})})
	if !night.Resting() || !night.Until.Equal(dusk) {
		t.Fatalf("the night is %+v", night)
	}
	now = dusk
	do(Due{Name: event.DeadlineNight})
	do(Due{Name: event.DeadlineRest})
	if !night.Free() || len(night.Deadlines) > 0 {
		t.Errorf("after its end it is %+v", night)
	}
}

func TestUsedBy_CountsEachConversationOnce(t *testing.T) {
	t.Parallel()
	before := Task{Usage: []Usage{{"a", event.Usage{CostUSD: 1, InputTokens: 10}}}}
	record := func(conversation string, usd float64, tokens int64) event.Event {
		return event.Event{Data: event.UsageRecorded{Conversation: conversation, Usage: event.Usage{CostUSD: usd, InputTokens: tokens, Model: "m"}}}
	}
	got := UsedBy(before, []event.Event{record("a", 1.5, 15), record("a", 1.5, 15), record("b", 2, 1), record("a", 1, 20)})
	if want := (event.Usage{CostUSD: 2.5, InputTokens: 11}); got != want { // figures that fall add nothing
		t.Errorf("used %+v, want %+v", got, want)
	}
}

// hold lets the account of the task rest for a budget.
func (w *world) hold(hard bool) {
	w.t.Helper()
	w.do(Hold{Account: "some", Held: Held{Cause: event.RestBudget, Until: w.now.Add(time.Hour), Hard: hard}})
}

func TestSharedBudget_SpentOneLetsATurnEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.hold(false)
	w.want(event.Working, "")
	w.report(event.Record{State: event.RecordIdle})
	w.want(event.Checking, "") // judging costs nothing
	w.finish(event.ActCheck, red("x", "no"))
	w.want(event.Limited, event.Reason(event.RestBudget)) // a prompt would
	w.do(Release{})
	w.granted()
	w.want(event.Working, "")
}

func TestSharedBudget_HardOneEndsATurnAndResumesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	gen, attempt := w.task.Gen, w.task.Attempt
	w.hold(true)
	w.want(event.Limited, event.Reason(event.RestBudget))
	w.wantOpen(event.ActEnd)
	if w.task.Slot {
		t.Error("it holds a slot")
	}
	w.uses(event.Usage{CostUSD: 3}) // the record that was on its way
	w.finish(event.ActEnd)
	w.want(event.Limited, event.Reason(event.RestBudget))
	if !w.task.NeedsSlot() {
		t.Error("it stands in no line, and Places holds it")
	}
	w.do(Release{})
	w.granted()
	w.want(event.Starting, event.Reason(event.WhyBudget))
	if w.task.Gen != gen+1 || w.task.Attempt != attempt {
		t.Errorf("generation %d, attempt %d", w.task.Gen, w.task.Attempt)
	}
	if args := argsOf[event.StartArgs](w); !args.Resume {
		t.Error("its conversation is not resumed")
	}
}

func TestSharedBudget_HardOneLeavesWhatCostsNothing(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*world){
		"a round of checks": func(w *world) { w.report(event.Record{State: event.RecordIdle}) },
		"an open request": func(w *world) {
			w.report(event.Record{State: event.RecordWaiting, Reason: event.WaitPermission, Request: "r1", Tool: "Bash"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t).work()
			prepare(w)
			was := w.task.State
			w.hold(true)
			w.want(was, w.task.Reason)
			if hasOpen(w.task, event.ActEnd) {
				t.Error("its agent is ended")
			}
		})
	}
}

func TestPlaces_BudgetKeepsTasksFromBeginning(t *testing.T) {
	t.Parallel()
	soft := Account{ID: "a", Spent: Spent{Level: event.SpendSoft, Until: dusk}}
	night := Account{ID: event.NightBudget, Spent: Spent{Level: event.SpendSoft, Until: dusk}}
	resting := Account{ID: event.NightBudget, Phase: PhaseResting, Cause: event.RestBudget, Until: dusk}
	choice := event.Spec{Accounts: []event.TaskAccount{{Name: "a"}, {Name: "b"}}}
	for _, tt := range []struct {
		name  string
		known []Account
		task  Task
		want  event.AccountID
	}{
		{"nothing is spent", nil, Task{Spec: choice}, "a"},
		{"another account begins it", []Account{soft}, Task{Spec: choice}, "b"},
		{"one that has begun goes on", []Account{soft}, Task{Spec: choice, Uses: "a", Gen: 1}, "a"},
		{"the night keeps all from beginning", []Account{night}, Task{Spec: choice}, ""},
		{"the night lets those go on that have begun", []Account{night}, Task{Spec: choice, Uses: "b", Gen: 1}, "b"},
		{"the night is spent", []Account{resting}, Task{Spec: choice, Uses: "b", Gen: 1}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			known := map[event.AccountID]AccountState{}
			for _, a := range tt.known {
				known[a.ID] = AccountState{Account: a}
			}
			tt.task.Spec.Traits.Resumes = true
			got, ok := NewPlaces(known, dawn).Admit(&tt.task)
			if got != tt.want || ok != (tt.want != "") {
				t.Errorf("admitted on %q (%v), want %q", got, ok, tt.want)
			}
		})
	}
}

func TestHoldOf_TheLongerRestCounts(t *testing.T) {
	t.Parallel()
	rests := func(id event.AccountID, cause event.RestCause, until time.Time) Account {
		return Account{ID: id, Phase: PhaseResting, Cause: cause, Until: until}
	}
	early, late := dawn.Add(time.Hour), dawn.Add(2*time.Hour)
	night := func(until time.Time) Account { return rests(event.NightBudget, event.RestBudget, until) }
	hard := night(early)
	hard.Spent = Spent{Level: event.SpendSpent, Hard: true}
	for _, tt := range []struct {
		name     string
		a, night Account
		want     Held
	}{
		{"the account", rests("a", event.RestLimit, early), Account{}, Held{Cause: event.RestLimit, Until: early}},
		{"the night", Account{ID: "a"}, night(early), Held{Cause: event.RestBudget, Until: early, Of: event.NightBudget}},
		{"the account, longer", rests("a", event.RestLimit, late), night(early), Held{Cause: event.RestLimit, Until: late}},
		{"the night, longer", rests("a", event.RestLimit, early), night(late), Held{Cause: event.RestBudget, Until: late, Of: event.NightBudget}},
		{"the account, without end", rests("a", event.RestAuth, time.Time{}), night(late), Held{Cause: event.RestAuth}},
		{"the account, and the night is hard", rests("a", event.RestLimit, late), hard, Held{Cause: event.RestLimit, Until: late, Hard: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			task := Task{State: event.Working, Slot: true}
			in, ok := HoldOf(task, tt.a, tt.night).(Hold)
			if !ok || in.Held != tt.want {
				t.Fatalf("held %+v, want %+v", in, tt.want)
			}
			task.Held = &tt.want
			if again := HoldOf(task, tt.a, tt.night); again != nil {
				t.Errorf("it is told again: %+v", again)
			}
			if in := HoldOf(task, Account{ID: "a"}, Account{}); in != (Release{}) {
				t.Errorf("when both are free: %+v", in)
			}
		})
	}
}

func hasOpen(t Task, kind event.ActionKind) bool {
	_, open := t.Action(kind)
	return open
}
