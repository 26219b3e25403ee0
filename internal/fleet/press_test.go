package fleet

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// pressed is a terminal that notes when keys were pressed.
type pressed struct {
	Terminal
	calls [][]string
	times []time.Time
}

func (p *pressed) Keys(_ context.Context, _ string, keys ...string) error {
	p.calls, p.times = append(p.calls, keys), append(p.times, time.Now())
	return nil
}

// TestKeysOfAnInterruptArePressedOneByOne: two at once are one other key for the program.
func TestKeysOfAnInterruptArePressedOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pressed{}
		s := &Supervisor{cfg: Config{Terminal: p}}
		if err := s.press(t.Context(), "%1", []string{"Escape", "Escape"}); err != nil {
			t.Fatal(err)
		}
		if len(p.calls) != 2 || !slices.Equal(p.calls[0], []string{"Escape"}) || p.times[1].Sub(p.times[0]) != keyPause {
			t.Errorf("pressed %v at %v, want each Escape by itself, %s apart", p.calls, p.times, keyPause)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.press(ctx, "%1", []string{"Escape", "Escape"}); err == nil || len(p.calls) != 3 {
			t.Errorf("after the end of its context: %v, %d presses", err, len(p.calls))
		}
	})
}
