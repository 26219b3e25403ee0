package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/fault"
)

// AdvanceSpec describes how a branch advances to a merge commit.
type AdvanceSpec struct {
	Branch string
	Old    string // the commit that the branch must be at
	New    string // its first parent must be Old
	Tree   string // that New must have
	// Linear means that New stands on Old by commits of one parent each, instead of as one merge commit.
	Linear bool
}

// Advance makes a branch lead to a commit that stands on where it leads now, and brings a checkout of the branch
// there, too. It is a compare-and-swap: the error is ErrMoved if the branch leads elsewhere, and ErrInUse if a checkout of it has
// changes, an unfinished operation or a file in the way. Nothing was changed then. A checkout is never left at another
// commit than its branch: what a killed call left half done is completed by the next one. A second call does nothing, also if the branch has gone on from New.
func (r *Repo) Advance(ctx context.Context, spec AdvanceSpec) error {
	ref, err := branchRef(spec.Branch)
	if err != nil {
		return err
	}
	if !isHash(spec.Old) || !isHash(spec.New) || !isHash(spec.Tree) {
		return fault.New(fault.Usage, "advance %s: %q, %q and %q must name two commits and a tree", spec.Branch, spec.Old, spec.New, spec.Tree)
	}
	return r.locked(ctx, func(lock *os.File) error {
		now, err := r.described(ctx, ref)
		if err != nil {
			return err
		}
		next, err := r.described(ctx, spec.New)
		switch {
		case err != nil:
			return err
		case now.commit == spec.New:
			return nil
		case now.commit != spec.Old:
			if now.commit != "" && next.commit != "" && next.tree == spec.Tree {
				if gone, err := r.isAncestor(ctx, next.commit, now.commit); err != nil || gone {
					return err // the branch has gone on from there
				}
			}
			return fmt.Errorf("advance %s: %w: it is at %.10s, and was at %.10s", spec.Branch, ErrMoved, now.commit, spec.Old)
		case next.commit == "" || next.tree != spec.Tree:
			return fault.New(fault.Failed, "advance %s: %s is not the commit that was judged", spec.Branch, spec.New)
		}
		stands, err := r.standsOn(ctx, next, spec)
		if err != nil {
			return err
		}
		if !stands {
			return fault.New(fault.Failed, "advance %s: %s is not what was built on %.10s", spec.Branch, spec.New, spec.Old)
		}
		at, err := r.checkoutsOf(ctx, ref)
		switch {
		case err != nil:
			return err
		case len(at) > 1:
			return fmt.Errorf("%w: %s is checked out at %s and at %s", ErrInUse, spec.Branch, at[0].workTree, at[1].workTree)
		case len(at) == 1:
			return r.advanceCheckout(ctx, lock, at[0], ref, spec)
		}
		return r.advanceRef(ctx, lock, ref, spec)
	})
}

// isAncestor reports whether ancestor is commit or one of its ancestors. The error has exit status 128 if one of them does not exist.
func (r *Reader) isAncestor(ctx context.Context, ancestor, commit string) (bool, error) {
	_, err := r.git(ctx, call{args: []string{"merge-base", "--is-ancestor", ancestor, commit}})
	if exited(err, 1) {
		return false, nil
	}
	return err == nil, err
}

// standsOn reports whether a commit is one that MergeOnto makes on the old commit of a branch.
func (r *Reader) standsOn(ctx context.Context, next description, spec AdvanceSpec) (bool, error) {
	if !spec.Linear {
		return len(next.parents) > 0 && next.parents[0] == spec.Old, nil
	}
	out, err := r.git(ctx, call{args: []string{"rev-list", "--parents", "--topo-order", spec.New, "^" + spec.Old}})
	if err != nil {
		return false, err
	}
	at := spec.New
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) != 2 || f[0] != at {
			return false, nil
		}
		at = f[1]
	}
	return at == spec.Old && spec.New != spec.Old, nil
}

// advanceRef moves the branch if it is where it was.
func (r *Repo) advanceRef(ctx context.Context, lock *os.File, ref string, spec AdvanceSpec) error {
	err := r.setRef(ctx, lock, ref, spec.New, spec.Old)
	if said(err, "but expected") {
		return fmt.Errorf("advance %s: %w: %w", spec.Branch, ErrMoved, err)
	}
	return err
}

// checkoutsOf returns the checkouts that have a branch checked out. Those whose directory is gone are left out.
func (r *Repo) checkoutsOf(ctx context.Context, ref string) (out []checkout, err error) {
	dirs := map[string]string{}
	switch {
	case r.rootDir == "" || r.rootDir == r.Common:
		dirs[r.Common] = r.Root
	case filepath.Base(r.Common) == ".git":
		dirs[r.Common] = filepath.Dir(r.Common)
	}
	all := filepath.Join(r.Common, "worktrees")
	entries, err := os.ReadDir(all)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fault.Failed, err, "list the worktrees")
	}
	for _, e := range entries {
		if at := registeredAt(filepath.Join(all, e.Name())); at != "" {
			dirs[filepath.Join(all, e.Name())] = filepath.Dir(at)
		}
	}
	for gitDir, path := range dirs {
		has, _, err := headOf(gitDir)
		if err != nil || has != ref || !isDir(path) {
			continue
		}
		c, err := r.unread(ctx, gitDir, path)
		if err != nil {
			return nil, err
		}
		if err := r.readHead(ctx, &c); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b checkout) int { return strings.Compare(a.workTree, b.workTree) })
	return out, nil
}

// advanceCheckout moves a branch together with its checkout: files, then the index, then the branch, all under git's
// lock of that index.
func (r *Repo) advanceCheckout(ctx context.Context, lock *os.File, c checkout, ref string, spec AdvanceSpec) error {
	if r.under != "" && inside(realPath(r.under), c.workTree) {
		return fmt.Errorf("%w: an agent has %s checked out in %s", ErrInUse, spec.Branch, c.workTree)
	}
	if doing := operationOf(c.gitDir); doing != "" {
		return fmt.Errorf("%w: a %s is unfinished in %s", ErrInUse, doing, c.workTree)
	}
	err := r.editIndexThen(ctx, c, func(at place) error {
		if err := copySparse(c.view, at); err != nil {
			return err
		}
		// Files that were touched and not changed are no changes, and read-tree compares only their times.
		if _, err := r.git(ctx, call{in: &at, args: []string{"update-index", "-q", "--refresh"}, lock: lock, long: true}); err != nil && !exited(err, 1) {
			return err
		}
		u, err := r.uncommitted(ctx, c)
		if err != nil {
			return err
		}
		refused := fmt.Errorf("%w: %s has changes that are not committed", ErrInUse, c.workTree)
		if !u.Dirty {
			_, err := r.git(ctx, call{in: &at, args: []string{"read-tree", "-m", "-u", spec.Old, spec.New}, lock: lock, long: true})
			if !said(err, "would be overwritten", "would be removed", "not uptodate", "Updating the following directories") {
				return err
			}
			refused = fmt.Errorf("%w: a file of %s is in the way: %w", ErrInUse, c.workTree, err)
		}
		half, err := r.halfAdvanced(ctx, at, spec)
		if err != nil {
			return err
		}
		if !half {
			return refused
		}
		// Each file is that of one of the two commits.
		_, err = r.git(ctx, call{in: &at, args: []string{"read-tree", "--reset", "-u", spec.New}, lock: lock, long: true})
		return err
	}, func() error {
		err := r.advanceRef(ctx, lock, ref, spec)
		if err == nil {
			return nil
		}
		return errors.Join(err, r.retreat(ctx, lock, c, spec))
	})
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: a git works in %s, or was killed there: %w", ErrInUse, c.workTree, err)
	}
	return err
}

// retreat brings the files and the index of a checkout back, because its branch could not be moved. The index is locked.
func (r *Repo) retreat(ctx context.Context, lock *os.File, c checkout, spec AdvanceSpec) error {
	return r.seated(ctx, c, func(at place) error {
		if _, err := r.git(ctx, call{in: &at, args: []string{"read-tree", "-m", "-u", spec.New, spec.Old}, lock: lock, long: true}); err != nil {
			return err
		}
		edited := filepath.Join(c.gitDir, "index.muster")
		if err := copyOver(edited, at.index); err != nil {
			return err
		}
		return os.Rename(edited, filepath.Join(c.gitDir, "index"))
	})
}

// halfAdvanced reports whether the checkout of a seat is as a killed Advance leaves it: the index is that of one of the
// two commits, and each file is that of one of them. Then going on loses nothing.
func (r *Repo) halfAdvanced(ctx context.Context, at place, spec AdvanceSpec) (bool, error) {
	indexIs := func(commit string) (bool, error) {
		_, err := r.git(ctx, call{in: &at, args: []string{"diff-index", "--cached", "--quiet", commit, "--"}})
		if exited(err, 1) {
			return false, nil
		}
		return err == nil, err
	}
	old, err := indexIs(spec.Old)
	if err != nil {
		return false, err
	}
	if !old {
		if is, err := indexIs(spec.New); err != nil || !is {
			return false, err
		}
	}
	fromOld, err := r.differsFrom(ctx, at, spec.Old)
	if err != nil {
		return false, err
	}
	fromNew, err := r.differsFrom(ctx, at, spec.New)
	if err != nil {
		return false, err
	}
	inOld, err := r.pathsOf(ctx, spec.Old, fromNew)
	if err != nil {
		return false, err
	}
	for path, gone := range fromNew {
		_, changed := fromOld[path]
		if changed || !inOld[path] && !gone {
			return false, nil
		}
	}
	return true, nil
}

// differsFrom returns the files of a commit that a work tree has otherwise, and whether each is missing there.
func (r *Repo) differsFrom(ctx context.Context, at place, commit string) (map[string]bool, error) {
	at.index += ".compared"
	defer os.Remove(at.index) //nolint:errcheck // it goes with the seat
	for _, args := range [][]string{{"read-tree", commit}, {"update-index", "-q", "--refresh"}} {
		if _, err := r.git(ctx, call{in: &at, args: args, env: wholeEnv(), long: true}); err != nil && !exited(err, 1) {
			return nil, err
		}
	}
	out, err := r.git(ctx, call{in: &at, args: []string{"diff-files", "--name-status", "-z", "--no-renames"}, env: wholeEnv(), long: true})
	if err != nil {
		return nil, err
	}
	differs := map[string]bool{}
	for f := fields(out); len(f) >= 2; f = f[2:] {
		differs[f[1]] = f[0] == "D"
	}
	return differs, nil
}

// pathsOf returns which of the paths a commit has.
func (r *Repo) pathsOf(ctx context.Context, commit string, paths map[string]bool) (map[string]bool, error) {
	has := map[string]bool{}
	if len(paths) == 0 {
		return has, nil
	}
	out, err := r.git(ctx, call{args: []string{"ls-tree", "-r", "-z", "--name-only", "--full-tree", commit}, long: true})
	for _, path := range fields(out) {
		if _, asked := paths[path]; asked {
			has[path] = true
		}
	}
	return has, err
}
