package fleet

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// limitMenu is the pane of an agent with the menu of a usage limit. The menu closes a while after its key.
type limitMenu struct {
	pressed
	Channel
	Launcher
	takes  time.Duration
	closed time.Time
}

func (m *limitMenu) Styled(context.Context, string) (string, error) { return "", nil }

func (m *limitMenu) EndPolicy(life.Task) EndPolicy { return EndPolicy{MenuKeys: []string{"Escape"}} }

func (m *limitMenu) Keys(ctx context.Context, pane string, keys ...string) error {
	m.closed = time.Now().Add(m.takes)
	return m.pressed.Keys(ctx, pane, keys...)
}

func (m *limitMenu) Posture(context.Context, life.Task, string, []string) (Posture, error) {
	if m.closed.IsZero() || time.Now().Before(m.closed) {
		return PostureDialog, nil
	}
	return PostureReady, nil
}

// TestMenuOfALimitIsClosedBeforeAnythingIsTyped: a key pressed together with the message, or while another dialog is
// open, would interrupt the turn that the message begins, or answer for a person.
func TestMenuOfALimitIsClosedBeforeAnythingIsTyped(t *testing.T) {
	t.Parallel()
	limited := life.Agent{Error: event.ErrorRateLimit, Turn: life.TurnIdle}
	for _, c := range []struct {
		name    string
		agent   life.Agent
		takes   time.Duration // until the menu has closed
		presses int
		want    Posture
	}{
		{"the menu closes", limited, time.Second, 1, PostureReady},
		{"the menu does not close", limited, time.Hour, 1, PostureDialog},
		{"another dialog", life.Agent{Turn: life.TurnIdle}, time.Second, 0, PostureDialog},
		{"a turn has begun", life.Agent{Error: event.ErrorRateLimit, Turn: life.TurnBusy}, time.Second, 0, PostureDialog},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := &limitMenu{takes: c.takes}
				s := &Supervisor{cfg: Config{Terminal: m, Channel: m, Launcher: m}}
				got, err := s.closeMenu(t.Context(), life.Task{Agent: c.agent}, Pane{ID: "%1"})
				if err != nil || got != c.want || len(m.calls) != c.presses {
					t.Errorf("%s, %v after %d presses; want %s after %d", got, err, len(m.calls), c.want, c.presses)
				}
				if c.presses > 0 && !slices.Equal(m.calls[0], []string{"Escape"}) {
					t.Errorf("pressed %v", m.calls)
				}
			})
		})
	}
}

// TestTextAfterAnInterruptBeginsALineOfItsOwn has the case of an agent whose input was empty when it was looked at, and held the
// interrupted prompt when the next message was pasted: the message's tag stood behind it, and did not count.
func TestTextAfterAnInterruptBeginsALineOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		turn    life.Turn
		posture Posture
		want    bool
	}{
		{turn: life.TurnInterrupted, posture: PostureReady, want: true},
		{turn: life.TurnInterrupted, posture: PostureStale, want: true},
		{turn: life.TurnInterrupted, posture: PostureDraft, want: true},
		{turn: life.TurnIdle, posture: PostureStale, want: true},
		{turn: life.TurnIdle, posture: PostureReady},
		{turn: life.TurnIdle, posture: PostureDraft},
		{turn: life.TurnInterrupted, posture: PostureUnknown},
	} {
		task := life.Task{Agent: life.Agent{Turn: c.turn}}
		if got := apart(task, c.posture); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
