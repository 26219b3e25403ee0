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
	"muster/internal/lock"
	"muster/internal/regular"
)

const (
	lockName = "muster.lock"
	// lockWait is longer than idleLimit: what holds the lock ends, or makes progress.
	lockWait = time.Hour
)

// locked runs fn under the repository's lock. Concurrent gits race on the configuration and on half-written
// worktrees. Every git that fn starts inherits the open file: if we are killed, the lock is held until that git ends,
// so that no process sees its work half done. The file is never unlinked: a process that waits on an unlinked file
// and one that makes a new file would both hold the lock.
func (r *Repo) locked(ctx context.Context, fn func(lock *os.File) error) error {
	name := filepath.Join(r.Common, lockName)
	ctx, cancel := context.WithTimeoutCause(ctx, lockWait, fault.New(fault.Timeout, "the lock %s was held for %s", name, lockWait).
		WithHint("See who holds it: fuser -v %s", name))
	defer cancel()
	select { // a waiter in this process takes over at once, without polling the file
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return fmt.Errorf("wait for the repository: %w", context.Cause(ctx))
	}
	f, err := lock.Wait(ctx, name)
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("wait for the repository: %w", context.Cause(ctx))
	case errors.Is(err, regular.ErrNotRegular), errors.Is(err, syscall.ELOOP):
		return fault.Wrap(fault.Failed, err, "lock the repository").WithHint("Remove %s: it must be a regular file.", name)
	case err != nil:
		return fault.Wrap(fault.Failed, err, "lock the repository").WithHint("Make %s writable.", r.Common)
	}
	defer lock.Release(f) // and not only Close: a descriptor in a grandchild must not prolong the lock
	return fn(f)
}

// Age from which a lock file counts as left over, if an agent's git may hold it too. The lock of a branch is held for
// milliseconds, that of an index as long as a large git add takes.
const (
	staleBranch = time.Minute
	staleIndex  = 10 * time.Minute
)

// cleared reports whether err came from a lock file that a killed git left behind, and removes that file. Private
// refs, and branches that are just being made (fresh), are written only under the repository's lock: any lock file
// there is left over. Elsewhere the file must be old. Outside of muster's refs and worktrees no lock file is removed.
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

// change runs a git command that changes refs or an index, under the lock. If a left-over lock file is in the way, it
// removes the file and runs the command again.
func (r *Repo) change(ctx context.Context, c call, fresh bool) error {
	_, err := r.git(ctx, c)
	if err != nil && r.cleared(err, fresh) {
		_, err = r.git(ctx, c)
	}
	return err
}
