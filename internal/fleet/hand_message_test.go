package fleet

import (
	"testing"

	"muster/internal/event"
	"muster/internal/life"
)

// TestTextAfterAnInterruptBeginsALineOfItsOwn has the case of an agent whose input was empty when it was looked at, and held the
// interrupted prompt when the next message was pasted: the message's tag stood behind it, and did not count.
func TestTextAfterAnInterruptBeginsALineOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		turn    life.Turn
		stage   event.Stage
		posture Posture
		want    bool
	}{
		{turn: life.TurnInterrupted, posture: PostureReady, want: true},
		{turn: life.TurnInterrupted, posture: PostureStale, want: true},
		{turn: life.TurnInterrupted, posture: PostureDraft, want: true},
		{turn: life.TurnBusy, stage: event.StageInterrupt, posture: PostureReady, want: true},
		{turn: life.TurnIdle, posture: PostureStale, want: true},
		{turn: life.TurnIdle, posture: PostureReady},
		{turn: life.TurnIdle, posture: PostureDraft},
		{turn: life.TurnInterrupted, posture: PostureUnknown},
	} {
		task := life.Task{Stage: c.stage, Agent: life.Agent{Turn: c.turn}}
		if got := apart(task, c.posture); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
