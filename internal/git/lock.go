package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"muster/internal/fault"
)

const (
	lockName = "muster.lock"
	// lockWait is longer than any call under the lock may take.
	lockWait = writeTimeout + time.Minute
	lockPoll = 5 * time.Millisecond
)

// locked runs fn under the repository's lock. git itself races with itself on its configuration and on half
// written worktrees. The open file is handed to every git started by fn: if we are killed, the lock lasts until
// that git has ended, and nobody sees what it has half done. The file is never unlinked, for whoever waits on an
// unlinked file and whoever makes a new one would both hold "the" lock.
func (r *Repo) locked(ctx context.Context, fn func(lock *os.File) error) error {
	name := filepath.Join(r.Common, lockName)
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // a fixed name in the repository
	if err != nil {
		return fault.Wrap(fault.Failed, err, "lock the repository").WithHint("Make %s writable.", r.Common)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	ctx, cancel := context.WithTimeoutCause(ctx, lockWait, fault.New(fault.Timeout, "the lock %s was held for %s", name, lockWait).
		WithHint("See who holds it: fuser -v %s", name))
	defer cancel()
	if err := flock(ctx, f); err != nil {
		return err
	}
	// Unlocked by name and not only by closing, so that a forgotten copy in some grandchild cannot prolong it.
	defer syscall.Flock(int(f.Fd()), syscall.LOCK_UN) //nolint:errcheck // closing does the same
	return fn(f)
}

// flock waits for an exclusive lock on an open file.
func flock(ctx context.Context, f *os.File) error {
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		err := tryLock(f)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the repository: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// tryLock takes the lock if it is free; EWOULDBLOCK if not.
func tryLock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
