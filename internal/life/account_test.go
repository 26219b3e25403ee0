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
	d, resting := deadline(a.fold.Deadlines, event.DeadlineRest)
	if resting != !until.IsZero() || resting && !d.At.Equal(until) || resting == a.fold.Since.IsZero() {
		a.t.Fatalf("the account is %+v, want it to rest until %s", a.fold, until)
	}
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
	a.now = early
	a.do(Due{Name: event.DeadlineRest}).rests(late)
	a.now = late
	a.do(Due{Name: event.DeadlineRest}).rests(time.Time{})
	a.do(Due{Name: event.DeadlineRest}).rests(time.Time{})
	a.do(AccountLimited{Task: "t1", Until: early}).rests(time.Time{}) // the limit has ended
}

func TestTaskLimitedWithAResetRestsItsAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	until := w.now.Add(5 * time.Hour)
	w.report(event.Record{State: event.RecordLimited, Until: until})
	w.want(event.Limited, "rate_limit")
	a := newAccount(t)
	a.now = w.now
	for _, e := range w.log {
		if limit, ok := LimitOf(e); ok {
			a.do(limit)
		}
	}
	a.rests(until)
}
