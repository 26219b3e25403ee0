package life

import (
	"testing"
	"time"

	"muster/internal/event"
)

// account is the life of one account: each input is decided and its events are folded.
type account struct {
	t     *testing.T
	fold  Account
	now   time.Time
	kinds []event.Kind
}

func newAccount(t *testing.T) *account {
	t.Helper()
	return &account{t: t, fold: Account{ID: "claude"}, now: dawn}
}

func (a *account) do(in Input) *account {
	a.t.Helper()
	a.kinds = nil
	for _, e := range DecideAccount(a.fold, in, a.now) {
		if e.Subject != event.OfAccount("claude") {
			a.t.Errorf("an event of %+v", e.Subject)
		}
		a.fold = ApplyAccount(a.fold, e)
		a.kinds = append(a.kinds, e.Kind())
	}
	return a
}

func (a *account) rests(until time.Time) *account {
	a.t.Helper()
	if a.fold.Resting() == until.IsZero() || !until.IsZero() && !a.fold.Until.Equal(until) {
		a.t.Fatalf("the account is %+v, want it to rest until %s", a.fold, until)
	}
	if wrong := BrokenAccount(a.fold); wrong != "" {
		a.t.Fatalf("%+v: %s", a.fold, wrong)
	}
	return a
}

// tried is when an account that rests is tried.
func (a *account) tried() time.Time {
	d, _ := deadline(a.fold.Deadlines, event.DeadlineRest)
	return d.At
}

// due lets the time come at which the account is tried.
func (a *account) due() *account {
	a.t.Helper()
	a.now = a.tried()
	a.do(Due{Name: event.DeadlineRest})
	if a.fold.Phase != PhaseProbing {
		a.t.Fatalf("the account is %+v, want it to be tried", a.fold)
	}
	return a
}

// probe lets the agent of a task try the account.
func (a *account) probe(task event.TaskID) *account {
	a.fold = ApplyAccount(a.fold, event.Event{Time: a.now, Subject: event.OfAccount("claude"), Data: event.AccountProbed{Task: task}})
	return a
}

func TestAccountRestsUntilTheLatestReset(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	early, late := dawn.Add(time.Hour), dawn.Add(2*time.Hour)
	a.do(AccountLimited{Task: "t1", Until: early}).rests(early)
	a.do(AccountLimited{Task: "t2", Until: early}).rests(early)
	if len(a.kinds) != 0 {
		t.Errorf("the same limit again writes %v", a.kinds)
	}
	a.do(AccountLimited{Task: "t3", Until: late}).rests(late)
	if a.fold.By != "t1" {
		t.Errorf("it rests by %s", a.fold.By)
	}
	a.now = early.Add(time.Minute)
	a.do(Due{Name: event.DeadlineRest}).rests(late)
	if want := late.Add(time.Minute); !a.tried().Equal(want) {
		t.Errorf("it is tried at %s, want %s", a.tried(), want)
	}
	a.due().rests(time.Time{})
	a.do(AccountLimited{Task: "t1", Until: early}).rests(time.Time{}) // the limit has ended
}

func TestAccountOfStructuredDataIsBelievedBeforeWords(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	words, exact := dawn.Add(time.Hour+time.Minute), dawn.Add(time.Hour)
	a.do(AccountLimited{Task: "t1", Until: words, Source: event.SourceWords}).rests(words)
	a.do(AccountLimited{Task: "t1", Until: exact, Source: event.SourceQuotaLimits}).rests(exact)
	a.do(AccountLimited{Task: "t1", Until: exact.Add(-time.Minute), Source: event.SourceWords}).rests(exact)
}

func TestAccountWakesByOneProbe(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	until := dawn.Add(time.Hour)
	a.do(AccountLimited{Task: "t1", Until: until}).rests(until).due().probe("t1")
	a.do(AccountProduced{Task: "t2"})
	if a.fold.Phase != PhaseProbing {
		t.Errorf("another agent's answer proves it: %+v", a.fold)
	}
	second := a.now.Add(time.Hour)
	a.do(AccountLimited{Task: "t1", Until: second}).rests(second)
	a.due().probe("t2").do(AccountProduced{Task: "t2"})
	if a.fold.Phase != PhaseWaking || a.fold.Looks != 0 {
		t.Errorf("after an answer it is %+v", a.fold)
	}
}

func TestAccountWithoutANamedEndIsLookedAtLessAndLessOften(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	var pauses []time.Duration
	for range 9 {
		a.do(AccountLimited{Task: "t1", Cause: event.RestOverloaded})
		pauses = append(pauses, a.tried().Sub(a.now))
		a.due().probe("t1")
	}
	want := []time.Duration{1, 2, 4, 8, 15, 15, 15, 10, 10}
	for i := range want {
		if pauses[i] != want[i]*time.Minute {
			t.Fatalf("pauses %v, want %v minutes", pauses, want)
		}
	}
}

func TestAccountWithoutALoginRestsUntilAPersonActs(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	a.do(AccountLimited{Task: "t1", Cause: event.RestAuth, Credential: "old"})
	a.do(AccountLimited{Task: "t2", Cause: event.RestAuth})
	a.do(AccountLimited{Task: "t3", Until: dawn.Add(time.Hour)})
	if len(a.fold.Deadlines) != 0 || !a.fold.Resting() || a.fold.Credential != "old" || len(a.fold.Parked) != 2 {
		t.Fatalf("it is %+v", a.fold)
	}
	a.do(AccountWake{Why: event.WakeCredential})
	if a.fold.Phase != PhaseProbing || len(a.fold.Parked) != 0 {
		t.Errorf("after a login it is %+v", a.fold)
	}
}

func TestAccountAbsurdEndIsBounded(t *testing.T) {
	t.Parallel()
	a := newAccount(t).do(AccountLimited{Task: "t1", Until: dawn.Add(24 * 365 * time.Hour)})
	a.rests(dawn.Add(longestRest))
	b := newAccount(t).do(AccountLimited{Task: "t1", Until: dawn.Add(20 * time.Second)})
	if want := dawn.Add(22 * time.Second); !b.tried().Equal(want) {
		t.Errorf("a limit of 20 s is tried at %s, want %s", b.tried(), want)
	}
}

func TestAccountOfAnOldLogRestsAndWakes(t *testing.T) {
	t.Parallel()
	a := newAccount(t)
	for _, p := range []event.Payload{event.AccountRested{Until: dawn.Add(time.Hour), By: "t1"}, event.DeadlineSet{Name: event.DeadlineRest, At: dawn.Add(time.Hour), Instant: true}} {
		a.fold = ApplyAccount(a.fold, event.Event{Time: dawn, Subject: event.OfAccount("claude"), Data: p})
	}
	if !a.fold.Resting() || a.fold.Phase != "" {
		t.Fatalf("it is %+v", a.fold)
	}
	a.due()
}

func TestTaskLimitedWithAResetRestsItsAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	until := w.now.Add(5 * time.Hour)
	before, since := w.task, len(w.log)
	w.report(event.Record{State: event.RecordLimited, Until: until, UntilFrom: event.SourceWords})
	w.want(event.Limited, "rate_limit")
	a := newAccount(t)
	a.now = w.now
	for _, in := range AccountInputs(before, Reported{Gen: 1, Record: event.Record{State: event.RecordLimited, UntilFrom: event.SourceWords}}, w.log[since:], time.Time{}) {
		a.do(in)
	}
	a.rests(until)
	if a.fold.Source != event.SourceWords || w.task.APIErrors != 0 {
		t.Errorf("source %s, %d errors of the task", a.fold.Source, w.task.APIErrors)
	}
}

// held is a working task whose account rests.
func held(t *testing.T) *world {
	w := newWorld(t).work()
	w.do(Hold{Account: "some", Held: Held{Cause: event.RestLimit, Until: w.now.Add(time.Hour)}})
	return w.want(event.Working, "")
}

func TestHeldTaskGetsNothingUntilItIsWoken(t *testing.T) {
	t.Parallel()
	w := held(t)
	w.endTurn().finish(event.ActCheck, red("x", "no"))
	w.want(event.Limited, event.Reason(event.RestLimit)).wantOpen().wantMessage("m1", event.MessageWaiting)
	w.write(event.SendRequested{Message: "m2", Text: "think"})
	w.advance(24 * time.Hour) // longer than the task's timeout
	w.want(event.Limited, event.Reason(event.RestLimit)).wantOpen()
	if until := w.task.Until(); !until.Equal(w.task.Held.Until) {
		t.Errorf("it is limited until %s", until)
	}
	w.granted()
	w.want(event.Working, "").wantOpen(event.ActDeliver).wantMessage("m1", event.MessageSending).wantMessage("m2", event.MessageWaiting)
}

func TestHeldTaskThatCrashesIsStartedWhenItsAccountWakes(t *testing.T) {
	t.Parallel()
	w := held(t)
	w.exit(event.CauseOwn, 1)
	w.want(event.Limited, event.Reason(event.RestLimit)).wantOpen().wantGen(1, 1)
	w.granted()
	w.want(event.Starting, event.Reason(event.WhyCrash)).wantOpen(event.ActStart).wantGen(2, 2)
}

func TestHeldTaskThatHasNotBegunIsNotStarted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.granted()
	w.do(Hold{Account: "some", Held: Held{Cause: event.RestAuth}})
	w.finish(event.ActPrepare, readyFact())
	w.want(event.Limited, ReasonAuth).wantOpen().wantGen(0, 0)
	w.granted()
	w.want(event.Starting, event.Reason(event.WhyFirst)).wantOpen(event.ActStart).wantGen(1, 1)
}

func TestTaskParkedForItsLoginIsResumedWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.errs(event.ErrorAuth)
	w.want(event.Parked, ReasonAuth).finish(event.ActEnd)
	w.do(Recall{})
	w.want(event.Limited, ReasonAuth).granted()
	w.want(event.Starting, event.Reason(event.WhyAPI)).wantGen(2, 1)
	if args := argsOf[event.StartArgs](w); !args.Resume {
		t.Errorf("it is started without its conversation: %+v", args)
	}
}
