package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"muster/internal/fault"
)

// ErrNoRepository is the error of Find if the repository was moved or deleted.
var ErrNoRepository = errors.New("the repository is gone")

// Locator is what is known about the place of a task's repository. The first entry that leads to one is used; "" is
// unknown.
type Locator struct {
	GitDir   string // the git directory that all worktrees share, as in Reader.Common
	Checkout string // the checkout that the task was dispatched for; a person may have removed it since
	Worktree string // a worktree of the repository
}

// Find opens the repository of a task. It works without the checkout if the repository still exists; Root is the path
// of the missing checkout then. A repository that was moved or deleted is an ErrNoRepository (fault.NotFound).
func Find(ctx context.Context, l Locator, opts ...Option) (*Repo, error) {
	if l.GitDir != "" {
		return openCommon(l.GitDir, l.Checkout, opts)
	}
	repo, err := Open(ctx, l.Checkout, opts...)
	if err == nil || ctx.Err() != nil {
		return repo, err
	}
	if common := commonOf(l.Worktree); common != "" {
		return openCommon(common, l.Checkout, opts)
	}
	if fault.Is(err, fault.Usage) { // neither a directory nor in a checkout
		return nil, gone(l.Checkout)
	}
	return nil, err
}

// openCommon opens a repository by its git directory. It discovers nothing, so it works with core.bare and without a
// checkout.
func openCommon(common, root string, opts []Option) (*Repo, error) {
	r, err := unopened(opts)
	if err != nil {
		return nil, err
	}
	r.Common, r.Root = common, root
	for _, part := range []string{"HEAD", "objects", "refs"} {
		if _, err := os.Stat(filepath.Join(common, part)); errors.Is(err, fs.ErrNotExist) {
			return nil, gone(common)
		} else if err != nil {
			return nil, fault.Wrap(fault.Failed, err, "look at the repository %s", common)
		}
	}
	if r.at, err = os.Stat(common); err != nil {
		return nil, fault.Wrap(fault.Failed, err, "look at the repository %s", common)
	}
	if real, err := filepath.EvalSymlinks(root); err == nil {
		r.Root = real
		if gitDir := gitDirOf(real); commonOf(real) == realPath(common) {
			r.rootDir = gitDir
		}
	}
	return r, nil
}

func gone(path string) error {
	return fault.Wrap(fault.NotFound, ErrNoRepository, "no repository is at %s", path).
		WithHint("If it was moved, move it back. If it is gone for good, `muster rm --force` sets the files of its tasks aside.")
}

// commonOf returns the git directory that a checkout shares with the other worktrees, found by its .git only; "" if
// path is not a checkout.
func commonOf(path string) string {
	gitDir := gitDirOf(path)
	if gitDir == "" {
		return ""
	}
	b, err := readSmall(filepath.Join(gitDir, "commondir"))
	if err != nil {
		return gitDir
	}
	common := strings.TrimRight(string(b), "\n")
	if !filepath.IsAbs(common) {
		common = filepath.Join(gitDir, common)
	}
	return realPath(common)
}

// SetAside moves a worktree's directory, and what an unfinished removal left of it, below dir. It is for files that
// can neither be kept nor removed. It returns where the files are now; "" if there are none.
func SetAside(worktree, dir string) (string, error) {
	moved := ""
	for _, from := range []string{removingPath(worktree), worktree} {
		if !exists(from) {
			continue
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return moved, fault.Wrap(fault.Failed, err, "set %s aside", from)
		}
		to := filepath.Join(dir, filepath.Base(worktree))
		for n := 2; exists(to); n++ {
			to = filepath.Join(dir, fmt.Sprintf("%s-%d", filepath.Base(worktree), n))
		}
		if err := os.Rename(from, to); err != nil {
			return moved, fault.Wrap(fault.Failed, err, "set %s aside", from)
		}
		moved = to
	}
	return moved, nil
}

// removingPath returns the path of a worktree while it is being removed.
func removingPath(worktree string) string {
	return filepath.Join(filepath.Dir(worktree), ".removing-"+filepath.Base(worktree))
}
