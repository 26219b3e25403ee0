package control

import (
	"strings"
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/lock"
)

// removing returns a control and a task whose removal was asked for, and which is given up after a moment.
func removing(t *testing.T, happened ...event.Payload) (*Control, Outcome) {
	t.Helper()
	c := open(t)
	id := queue(t, c, "a", moved(event.Cancelled))
	seq, err := log(t, c).LastSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	happen(t, c, id, happened...)
	out := Outcome{Task: id, Seq: seq, effect: effectOf(event.ActRemove, func(e event.Event) bool {
		_, gone := e.Data.(event.TaskRemoved)
		return gone
	})}
	out.effect.limit = 100 * time.Millisecond
	return c, out
}

var removal = event.ActionIntended{Action: event.Action{ID: "a1", Args: event.RemoveArgs{}}}

func TestAwait_WaitsForAnActionThatHasBegunAsLongAsASupervisorRuns(t *testing.T) {
	t.Parallel()
	c, out := removing(t, removal)
	held, err := lock.Take(c.Home().Lock())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release(held)
	var said []string
	c.caller.Say = func(what string) { said = append(said, what) }
	time.AfterFunc(time.Second, func() { happen(t, c, out.Task, event.TaskRemoved{}) })
	if _, err := c.Await(t.Context(), out); err != nil {
		t.Errorf("a removal of ten times its limit: %v", err)
	}
	if len(said) < 2 || said[0] != "waiting for the supervisor to remove t1" {
		t.Errorf("said %q", said)
	}
}

func TestAwait_EndsWhereNothingWillCome(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		happened []event.Payload
		want     string
	}{
		{"not begun", nil, "is queued, but the supervisor has not processed it yet"},
		{"begun, and no supervisor", []event.Payload{removal}, "has begun, but no supervisor runs"},
		{"put off", []event.Payload{removal, event.ActionPutOff{ID: "a1", What: event.ActRemove, Why: "no space left"}}, "is put off: no space left"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, out := removing(t, tt.happened...)
			_, err := c.Await(t.Context(), out)
			if !fault.Is(err, fault.Timeout) || !strings.Contains(err.Error(), tt.want) || fault.HintOf(err) == "" {
				t.Errorf("%v, hint %q; want %q", err, fault.HintOf(err), tt.want)
			}
		})
	}
}
