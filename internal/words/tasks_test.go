package words

import (
	"testing"

	"muster/internal/event"
)

func TestTasks_NamesFew(t *testing.T) {
	t.Parallel()
	all := []TaskState{{"t1", event.Working}, {"t2", event.Queued}, {"t3", event.Checking}, {"t4", event.Queued}}
	for n, want := range map[int]string{
		0: "", 1: "t1 (working)", 2: "2 tasks: t1 (working), t2 (queued)", 4: "4 tasks: t1 (working), t2 (queued), t3 (checking), …",
	} {
		if got := Tasks(all[:n]); got != want {
			t.Errorf("%d tasks: %q, want %q", n, got, want)
		}
	}
}
