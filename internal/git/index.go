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

// editIndex runs fn with a seat of a checkout and puts the index that is there then in place of the checkout's own. It
// holds git's lock of that index meanwhile, which is the file that becomes the index, as in git.
func (r *Repo) editIndex(ctx context.Context, c checkout, fn func(place) error) error {
	name := filepath.Join(c.gitDir, "index.lock")
	lock, err := createIndexLock(name)
	if err != nil {
		return err
	}
	err = r.seated(ctx, c, func(at place) error {
		if err := fn(at); err != nil {
			return err
		}
		return copyInto(lock, at.index)
	})
	_ = lock.Close()
	if err == nil {
		err = os.Rename(name, filepath.Join(c.gitDir, "index")) // a link there is replaced and not followed
	}
	if err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// createIndexLock creates the lock file of an index. One that a killed git left behind is replaced.
func createIndexLock(name string) (*os.File, error) {
	create := func() (*os.File, error) { return regular.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666) }
	lock, err := create()
	if errors.Is(err, fs.ErrExist) {
		if st, statErr := os.Lstat(name); statErr == nil && time.Since(st.ModTime()) >= staleIndex && os.Remove(name) == nil {
			lock, err = create()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("lock the index: %w", err)
	}
	return lock, nil
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
