package host

import (
	"context"
	"fmt"
	"sync"
)

// Await waits until a process has ended. It returns at once if the process is gone, and ctx's error if ctx ends
// first. It does not poll.
func Await(ctx context.Context, p Process) error {
	d, err := NewDeaths()
	if err != nil {
		return err
	}
	if err := d.Watch(p, nil); err != nil {
		d.Close()
		return fmt.Errorf("watch %s: %w", p, err)
	}
	var wg sync.WaitGroup
	serving, stop := context.WithCancel(ctx)
	wg.Go(func() { _ = d.Serve(serving) })
	defer wg.Wait()
	defer d.Close()
	defer stop()
	select {
	case <-d.C():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
