package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"muster/internal/fault"
	"muster/internal/lock"
	"muster/internal/regular"
	"muster/internal/text"
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
	staleBranch = 10 * time.Second
	staleIndex  = 10 * time.Minute
)

// lockIn returns the path of the lock file that a message of git complains about; "" if it complains about none.
func lockIn(message string) string {
	_, rest, _ := strings.Cut(message, "Unable to create '")
	name, _, ok := strings.Cut(rest, ".lock': File exists")
	if !ok {
		return ""
	}
	return name + ".lock"
}

// unlock removes the locks that a killed git has left in a seat. A seat belongs to one piece of work, whose calls follow one
// another, so that no other git holds them.
func (p *place) unlock() {
	if p.gitDir == p.view {
		return // all processes of muster use a view
	}
	left, _ := filepath.Glob(filepath.Join(escapeGlob(p.gitDir), "*.lock"))
	for _, name := range append(left, p.index+".lock") {
		_ = os.Remove(name) // otherwise the next call says so
	}
}

// cleared removes a lock file that a killed git left behind, and reports whether it is gone. Private refs, views, and branches that
// are just being made (fresh), are written only under the repository's lock: any lock file there is left over. Elsewhere
// the file must be old, and that of a branch is waited for. Outside of muster's own directories, refs and worktrees no lock file is removed.
func (r *Repo) cleared(ctx context.Context, name string, fresh bool) bool {
	view := r.viewDir()
	var age time.Duration
	switch in := r.unviewed(name); {
	case filepath.Dir(name) == view && exists(name):
	case inside(filepath.Join(r.Common, "refs", "muster"), in):
	case inside(filepath.Join(r.Common, "refs", "heads", "muster"), in):
		if !fresh {
			age = staleBranch
			r.awaitLock(ctx, in)
		}
	case inside(filepath.Join(r.Common, "worktrees"), in):
		age = staleIndex
	default:
		return false
	}
	st, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	return err == nil && time.Since(st.ModTime()) >= age && os.Remove(name) == nil
}

// awaitLock waits until the lock of a branch is gone, or is left over.
func (r *Repo) awaitLock(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, staleBranch+time.Second)
	defer cancel()
	for {
		if st, err := os.Lstat(name); err != nil || time.Since(st.ModTime()) >= staleBranch {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// change runs a git command that changes refs or an index, under the lock. If a left-over lock file is in the way, it
// removes the file and runs the command again. The error about a lock of others names it and says what to do.
func (r *Repo) change(ctx context.Context, c call, fresh bool) error {
	_, err := r.git(ctx, c)
	for range maxLeft {
		e, ok := errors.AsType[*Error](err)
		if !ok || e.locked == "" || !r.cleared(ctx, e.locked, fresh) {
			break
		}
		_, err = r.git(ctx, c)
	}
	if e, ok := errors.AsType[*Error](err); ok && e.locked != "" {
		name := text.Quote(r.unviewed(e.locked))
		return fault.Wrap(fault.Failed, err, "%s is there, and may be of a git that was killed", r.unviewed(e.locked)).
			WithHint("See whether a git still holds it: fuser -v %s. If none does: rm %s", name, name)
	}
	return err
}

// maxLeft is how many locks one killed git can leave behind: those of a ref, of HEAD and of the packed refs.
const maxLeft = 3
