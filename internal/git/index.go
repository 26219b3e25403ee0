package git

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/internal/regular"
)

// maxIndex bounds the index of a worktree in bytes: about ten million files.
const maxIndex = 1 << 30

// maxShared is how many shared parts of a split index are copied, the newest. git uses one and removes old ones.
const maxShared = 4

// takeIndex copies the index of a git directory into a seat, with the shared part that a split index has.
func takeIndex(gitDir, seat string) error {
	shared, _ := filepath.Glob(filepath.Join(escapeGlob(gitDir), "sharedindex.*"))
	age := func(name string) int64 {
		if st, err := os.Lstat(name); err == nil {
			return -st.ModTime().UnixNano()
		}
		return 0
	}
	slices.SortFunc(shared, func(a, b string) int { return cmp.Compare(age(a), age(b)) })
	for _, name := range shared[:min(len(shared), maxShared)] {
		if err := copyIndex(name, filepath.Join(seat, filepath.Base(name))); err != nil && !noIndex(err) {
			return err
		}
	}
	return copyIndex(filepath.Join(gitDir, "index"), filepath.Join(seat, "index"))
}

// noIndex reports whether err is that of an index that does not exist or is no regular file, which holds nothing.
func noIndex(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, regular.ErrNotRegular)
}

// copyIndex copies an index with its modification time. git compares a file's time with that of the index, so a newer
// copy would hide a change made in the same instant as the original.
func copyIndex(from, to string) error {
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // in a directory of our own
	if err != nil {
		return err
	}
	if err := copyInto(out, from); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

// copyInto copies an index and its modification time to an open file, and closes that.
func copyInto(out *os.File, from string) error {
	defer out.Close() //nolint:errcheck // closed below; the second is harmless
	in, st, err := openRegular(from)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	n, err := io.Copy(out, io.LimitReader(in, maxIndex+1))
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	if n > maxIndex {
		return fmt.Errorf("%s has more than %d bytes", from, maxIndex)
	}
	return os.Chtimes(out.Name(), st.ModTime(), st.ModTime())
}

// copyOver replaces a file by a copy of an index.
func copyOver(path, index string) error {
	out, err := createOver(path)
	if err != nil {
		return err
	}
	return copyInto(out, index)
}

// editIndex runs fn with a seat of a checkout and puts the index that is there then in place of the checkout's own. It
// holds git's lock of that index meanwhile. The caller holds the repository's lock.
func (r *Repo) editIndex(ctx context.Context, c checkout, fn func(place) error) error {
	return r.editIndexThen(ctx, c, fn, nil)
}

// editIndexThen is editIndex that calls then, if it is not nil, when the index is in place and still locked.
func (r *Repo) editIndexThen(ctx context.Context, c checkout, fn func(place) error, then func() error) error {
	lock, edited := filepath.Join(c.gitDir, "index.lock"), filepath.Join(c.gitDir, "index.muster")
	if err := lockIndex(lock); err != nil {
		return fmt.Errorf("lock the index: %w", err)
	}
	err := r.seated(ctx, c, func(at place) error {
		if err := fn(at); err != nil {
			return err
		}
		return copyOver(edited, at.index)
	})
	if err == nil {
		err = os.Rename(edited, filepath.Join(c.gitDir, "index")) // a link there is replaced and not followed
	}
	if err != nil {
		_ = os.Remove(edited)
	} else if then != nil {
		err = then()
	}
	return errors.Join(err, os.Remove(lock))
}

// ourLock is the content of an index.lock of muster. git's own begins as an index does.
const ourLock = "locked by muster\n"

// lockIndex creates the lock file of an index. One of muster's own was left by a supervisor that was killed, because the
// caller holds the repository's lock; it is replaced, and so is one that a killed git left behind long ago.
func lockIndex(name string) error {
	mark := name + ".muster" // it becomes the lock with its content, so that a lock without it is none of ours
	defer os.Remove(mark)    //nolint:errcheck // the next call replaces it
	if err := markLock(createOver(mark)); err != nil {
		return err
	}
	err := os.Link(mark, name)
	if errors.Is(err, fs.ErrExist) && left(name) && os.Remove(name) == nil {
		err = os.Link(mark, name)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) { // not every file system has links
		return markLock(createNew(name))
	}
	return err
}

// markLock writes the content of a lock of muster into a new file, and closes it.
func markLock(f *os.File, err error) error {
	if err != nil {
		return err
	}
	_, err = f.WriteString(ourLock)
	return errors.Join(err, f.Close())
}

// left reports whether no process works under a lock file of an index any more.
func left(name string) bool {
	if b, err := regular.Read(name, maxSmall); err == nil && string(b) == ourLock {
		return true
	}
	st, err := os.Lstat(name)
	return err == nil && time.Since(st.ModTime()) >= staleIndex
}

// createOver creates a file of muster's in a git directory, in place of one that was left there.
func createOver(name string) (*os.File, error) {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return createNew(name)
}

func createNew(name string) (*os.File, error) {
	return regular.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

// dirtyModules reports whether a submodule of a seat's index has changes that are in no commit of it.
func (r *Reader) dirtyModules(ctx context.Context, at place) (bool, error) {
	out, err := r.git(ctx, call{in: &at, args: []string{"ls-files", "-z", "-s"}})
	if err != nil {
		return false, err
	}
	for _, entry := range fields(out) {
		info, dir, _ := strings.Cut(entry, "\t")
		path := filepath.Join(at.workTree, dir)
		if !strings.HasPrefix(info, "160000 ") || !exists(filepath.Join(path, ".git")) {
			continue
		}
		m, err := r.module(ctx, at.gitDir, path)
		if err != nil && ctx.Err() != nil {
			return false, err
		}
		if err != nil || len(m.dirty) > 0 {
			return true, nil
		}
	}
	return false, nil
}
