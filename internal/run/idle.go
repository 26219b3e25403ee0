package run

import (
	"context"
	"fmt"
	"time"
)

// idleError is the cause of death of a program that made no progress. It counts as a deadline that has passed.
type idleError struct{ limit time.Duration }

func (e idleError) Error() string {
	return fmt.Sprintf("it made no progress for %s: no CPU time was used, and nothing was read or written", e.limit)
}

func (idleError) Is(target error) bool { return target == context.DeadlineExceeded }

// watchIdle calls end when a process group has made no progress for the time limit. It returns when ctx is done, or
// if the system does not show what processes do. Most programs end before the first look, which reads the table of
// processes.
func watchIdle(ctx context.Context, group int, limit time.Duration, end context.CancelCauseFunc) {
	var was uint64
	tick := time.NewTicker(min(max(limit/10, 10*time.Millisecond), 30*time.Second))
	defer tick.Stop()
	for since := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, known := activity(group)
		switch {
		case !known:
			return
		case now != was:
			was, since = now, time.Now()
		case time.Since(since) >= limit:
			end(idleError{limit})
			return
		}
	}
}
