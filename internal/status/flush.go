package status

import (
	"context"

	"muster/internal/event"
)

// Flush returns when everything that the files of a generation hold now (up to one pass of each) has been sent
// to Batches, or when ctx is done. It is how the last words of a process that has ended are heard before its end.
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
