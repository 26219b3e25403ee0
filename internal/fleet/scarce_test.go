package fleet

import (
	"errors"
	"testing"
	"time"

	"muster/internal/event"
)

// roomy is a machine that knows of no lack, and notes what is watched.
type roomy struct {
	Processes
	watched []any
}

func (m *roomy) Watch(_ event.ProcessRef, tok any) { m.watched = append(m.watched, tok) }

// A check that was put off is tried again: once it has begun the gate opens, however long it runs. Its age stays known, so
// that it fails for good when it was put off for too long.
func TestWhatIsPutOffKeepsItsAgeWhileItRuns(t *testing.T) {
	t.Parallel()
	m, now := &roomy{}, time.Hour
	s := New(Config{Processes: m, Mono: func() time.Duration { return now }})
	lacks := func(j job) result { return result{job: j, failure: again(errors.New("no room")), scarce: true} }
	take := func() job {
		t.Helper()
		q := s.jobs.queues[event.OfTask("t1")]
		if len(q) != 1 {
			t.Fatalf("%d jobs stand in line", len(q))
		}
		delete(s.jobs.queues, event.OfTask("t1"))
		return q[0]
	}

	s.takeResult(lacks(job{of: event.OfTask("t1"), action: event.Action{ID: "a1", Args: event.CheckArgs{}}}))
	for range 3 {
		now = s.scarce.until
		s.takeUp(now)
		j := take()
		if s.gate(now) == "" {
			t.Error("the gate is open before it has begun")
		}
		s.takeResult(result{job: j, wait: event.ProcessRef{PID: 7}})
		if why := s.gate(now); why != "" {
			t.Errorf("the gate is closed while it runs: %s", why)
		}
		now += time.Hour
		s.takeDeath(Death{Token: m.watched[len(m.watched)-1]})
		if j = take(); j.late != time.Hour {
			t.Fatalf("it is put off since %v, and was at 1h", j.late)
		}
		s.takeResult(lacks(j))
	}
	if len(s.pending) != 0 || len(s.scarce.jobs) != 1 || s.scarce.tries != 0 {
		t.Fatalf("%d outcomes, %+v", len(s.pending), s.scarce)
	}

	now = time.Hour + longestLack
	s.takeUp(now)
	j := take()
	now++
	if s.takeResult(lacks(j)); len(s.pending) != 1 || s.gate(now+longestPause) != "" {
		t.Errorf("%d outcomes after %v, %+v", len(s.pending), longestLack, s.scarce)
	}
}
