package status

import (
	"context"

	"muster/internal/event"
)

// Flush returns when the present content of a generation's files (up to one pass of each) has been sent to Batches, or
// when ctx is done. It lets the supervisor handle the last records of a process before the process' end.
func (w *Watcher) Flush(ctx context.Context, task event.TaskID, gen int) {
	passed := make(chan struct{})
	w.mu.Lock()
	for k, f := range w.files {
		if k.task == task && k.gen == gen {
			w.enqueue(f)
		}
	}
	w.queue = append(w.queue, &file{passed: passed})
	w.nudge()
	w.mu.Unlock()
	select {
	case <-passed:
	case <-ctx.Done():
	}
}
