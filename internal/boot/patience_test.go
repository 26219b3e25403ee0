package boot

import (
	"os"
	"strings"
	"testing"
	"time"

	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/lock"
)

// emptyFleet is a fleet without processes, whose starts are given up after a while.
func emptyFleet(t *testing.T, limit time.Duration) Fleet {
	t.Helper()
	return Fleet{Home: home.Dir(t.TempDir()), Caller: Caller{StartLimit: limit}}
}

func TestStage_Beyond(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		s, o stage
		want bool
	}{
		{stage{Step: 1}, stage{}, true},
		{stage{Step: 2}, stage{Step: 1, Done: 9}, true},
		{stage{Step: 1, Done: 3}, stage{Step: 1, Done: 2}, true},
		{stage{Step: 1, Done: 2, PID: 7}, stage{Step: 1, Done: 2}, false}, // the same way once more
		{stage{Step: 1}, stage{Step: 2}, false},
	} {
		if got := c.s.beyond(c.o); got != c.want {
			t.Errorf("%+v beyond %+v = %v", c.s, c.o, got)
		}
	}
}

func TestPatience_LastsAsLongAsTheStartGetsOn(t *testing.T) {
	t.Parallel()
	f := emptyFleet(t, time.Second)
	s := NewStarting(f.Home)
	onward := 0
	p := f.newPatience(func() { onward++ })
	for began, n := time.Now(), 0; time.Since(began) < 2*time.Second; n++ {
		s.Begin("working")
		if err := p.over(); err != nil {
			t.Fatalf("a start that gets on is given up after %s: %v", time.Since(began), err)
		}
		<-time.After(50 * time.Millisecond)
	}
	if onward < 5 {
		t.Errorf("%d steps onward", onward)
	}
	for began := time.Now(); p.over() == nil; <-time.After(20 * time.Millisecond) {
		s.Count(0, 9) // the same again and again
		if time.Since(began) > 20*time.Second {
			t.Fatal("a start that hangs is not given up")
		}
	}
	if err := p.over(); fault.CodeOf(err) != fault.Timeout || !strings.Contains(err.Error(), "working (0 of 9)") {
		t.Errorf("the error is %v", err)
	}
}

func TestPatience_DoesNotCountASupervisorThatStartsAgainAndAgain(t *testing.T) {
	t.Parallel()
	f := emptyFleet(t, time.Second)
	p := f.newPatience(func() {})
	began := time.Now()
	for p.over() == nil {
		s := NewStarting(f.Home) // each gets as far as the one before
		s.Begin("one")
		s.Begin("two")
		<-time.After(20 * time.Millisecond)
		if time.Since(began) > 20*time.Second {
			t.Fatal("it is waited for without end")
		}
	}
}

func TestTakeTurn_WaitsForThoseThatGetOnOnly(t *testing.T) {
	t.Parallel()
	f := emptyFleet(t, time.Nanosecond) // and the slack
	held, err := lock.Try(f.Home.StartLock())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release(held)
	if err := lock.Sign(held); err != nil {
		t.Fatal(err)
	}
	if got, err := f.takeTurn(t.Context(), func() bool { return true }); got != nil || err != nil {
		t.Errorf("where nothing is to be started, takeTurn = %v, %v", got, err)
	}
}

func TestTurnLost_NamesTheProcess(t *testing.T) {
	t.Parallel()
	f := emptyFleet(t, time.Second)
	if err := f.turnLost(turn{}); !strings.Contains(fault.HintOf(err), "fuser "+f.Home.StartLock()) {
		t.Errorf("an unknown process: %v, %s", err, fault.HintOf(err))
	}
	if err := f.turnLost(turn{pid: os.Getpid()}); !strings.Contains(fault.HintOf(err), "kill ") {
		t.Errorf("a process that hangs: %v, %s", err, fault.HintOf(err))
	}
}
