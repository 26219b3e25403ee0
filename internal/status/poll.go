package status

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sync/errgroup"

	"muster/internal/fault"
	"muster/internal/text"
)

const (
	// pollPause separates two reads of all files where the kernel does not report changes.
	pollPause = time.Second
	// retryPause separates two attempts to watch instead.
	retryPause = 10 * time.Second
)

// CanWatch returns an error if the kernel would not report changes in a directory to this user because inotify
// instances or watches are used up. A Watcher still works in that case, by polling.
func CanWatch(dir string) error {
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		return lack(err)
	}
	defer fs.Close() //nolint:errcheck // it was only tried
	if err := fs.Add(dir); err != nil {
		return lack(err)
	}
	return nil
}

// lack explains why the kernel does not report changes.
func lack(err error) error {
	f := fault.Wrap(fault.Failed, err, "the kernel reports no changes of status files")
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return f.WithHint("Raise fs.inotify.max_user_instances (sysctl) or the limit of open files, or end programs that watch files.")
	case errors.Is(err, syscall.ENOSPC):
		return f.WithHint("Raise fs.inotify.max_user_watches (sysctl), or end programs that watch files.")
	}
	return f
}

// Polling returns why the watcher reads all files every second instead of waiting for the kernel's reports, or "" if
// it does not poll.
func (w *Watcher) Polling() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.blind != "" {
		return w.blind
	}
	for _, d := range w.dirs {
		if d.trouble != "" {
			return d.trouble
		}
	}
	return ""
}

// setBlind records why there is no inotify instance, or "" if there is one.
func (w *Watcher) setBlind(why string) {
	w.mu.Lock()
	w.blind = why
	w.mu.Unlock()
	signal(w.changed)
}

// Changed receives a value after Polling may have changed. Several changes may be combined in one value.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// watch reads files as the kernel reports their changes, until ctx is done or the reports end.
func (w *Watcher) watch(ctx context.Context, fs *fsnotify.Watcher) error {
	w.fs = fs
	w.setBlind("")
	w.Rescan()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.pump(ctx, fs) })
	g.Go(func() error { return w.readAll(ctx) })
	g.Go(func() error { return w.pollTroubled(ctx) })
	err := g.Wait()
	w.fs = nil
	w.forget()
	if closeErr := fs.Close(); closeErr != nil && ctx.Err() == nil {
		return errors.Join(err, fmt.Errorf("end watching: %w", closeErr))
	}
	return err
}

// poll reads all files at intervals for a while. It returns an error only when ctx is done.
func (w *Watcher) poll(ctx context.Context, why error) error {
	w.setBlind(text.Field(why.Error(), 200))
	limited, cancel := context.WithTimeout(ctx, w.retryPause)
	defer cancel()
	g, limited := errgroup.WithContext(limited)
	g.Go(func() error { return w.readAll(limited) })
	g.Go(func() error {
		for {
			w.Rescan()
			if err := sleep(limited, w.pollPause); err != nil {
				return err
			}
		}
	})
	_ = g.Wait() // the time is over
	return ctx.Err()
}

// pollTroubled reads all files at intervals while a directory can't be watched.
func (w *Watcher) pollTroubled(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.troubled:
		}
		if err := sleep(ctx, w.pollPause); err != nil {
			return err
		}
		w.Rescan() // a directory that still fails signals again
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
