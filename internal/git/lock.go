package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
	select { // whoever of this process waits takes over at once, and not at the next look at the file
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return fmt.Errorf("wait for the repository: %w", context.Cause(ctx))
	}
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

// How old a lock file must be to be left over, where an agent's git may hold it too: that of a branch is held for
// milliseconds, that of an index as long as a large git add takes.
const (
	staleBranch = time.Minute
	staleIndex  = 10 * time.Minute
)

// cleared reports whether err came from a lock file that a killed git left behind, and removes that file. Private refs,
// and branches that are only being made (fresh), are written under the repository's lock alone: there any such file
// is a left-over. Elsewhere it must show its age, and outside muster's refs and worktrees it is never touched.
func (r *Repo) cleared(err error, fresh bool) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	_, rest, _ := strings.Cut(e.Stderr, "Unable to create '")
	name, _, ok := strings.Cut(rest, ".lock': File exists")
	if !ok {
		return false
	}
	name += ".lock"
	var age time.Duration
	switch {
	case inside(filepath.Join(r.Common, "refs", "muster"), name):
	case inside(filepath.Join(r.Common, "refs", "heads", "muster"), name):
		if !fresh {
			age = staleBranch
		}
	case inside(filepath.Join(r.Common, "worktrees"), name):
		age = staleIndex
	default:
		return false
	}
	st, err := os.Stat(name)
	return err == nil && time.Since(st.ModTime()) >= age && os.Remove(name) == nil
}

// change runs a git that changes refs or an index, under the lock; once more if a left-over lock file was in its way.
func (r *Repo) change(ctx context.Context, c call, fresh bool) error {
	_, err := r.git(ctx, c)
	if err != nil && r.cleared(err, fresh) {
		_, err = r.git(ctx, c)
	}
	return err
}
