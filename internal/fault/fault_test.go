package fault

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestExitCodeFollowsTheOutermostCode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("plain"), 1},
		{New(Failed, "x"), 1},
		{New(Usage, "x"), 2},
		{New(NotFound, "x"), 3},
		{New(Conflict, "x"), 4},
		{New(Timeout, "x"), 5},
		{New(Interrupted, "x"), 130},
		{fmt.Errorf("open: %w", New(NotFound, "x")), 3},
		{Wrap(Conflict, New(NotFound, "x"), "y"), 4},
		{fmt.Errorf("wait: %w", context.DeadlineExceeded), 5},
		{context.Canceled, 130},
	} {
		if got := ExitCode(c.err); got != c.want {
			t.Errorf("ExitCode(%v) = %d, want %d", c.err, got, c.want)
		}
	}
}

func TestHintIsFoundBelowAnErrorWithoutOne(t *testing.T) {
	t.Parallel()
	inner := New(NotFound, "no tmux").WithHint("Install it: apt-get install tmux")
	err := fmt.Errorf("up: %w", Wrap(Failed, inner, "start server"))
	if got := HintOf(err); got != inner.Hint {
		t.Errorf("HintOf = %q, want %q", got, inner.Hint)
	}
	if got, want := err.Error(), "up: start server: no tmux"; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
}
