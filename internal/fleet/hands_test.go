package fleet

import (
	"testing"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

func TestActsOnARepositoryHaveTheTimeOfTheTask(t *testing.T) {
	t.Parallel()
	long := life.Task{Spec: event.Spec{Timeout: 3 * time.Hour}}
	for _, c := range []struct {
		kind event.ActionKind
		want time.Duration
	}{
		{event.ActPrepare, 3 * time.Hour},
		{event.ActCheck, 3 * time.Hour},
		{event.ActKeep, 3 * time.Hour},
		{event.ActDeliver, actLimit},
		{event.ActEnd, actLimit},
	} {
		if got := limitOf(long, c.kind); got != c.want {
			t.Errorf("%s may take %s, want %s", c.kind, got, c.want)
		}
	}
	if got := limitOf(life.Task{Spec: event.Spec{Timeout: time.Second}}, event.ActPrepare); got != actLimit {
		t.Errorf("with a short timeout %s, want %s", got, actLimit)
	}
}
