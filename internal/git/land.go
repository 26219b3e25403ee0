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

// ErrMoved is the error of Land if the work differs from what was checked.
var ErrMoved = errors.New("the work changed since it was checked")

// ErrBranch is the error of Land if the task's branch is not checked out in the worktree; errors.AsType[*BranchError]
// has the names.
var ErrBranch = errors.New("another branch is checked out")

// BranchError names the branch that is checked out instead of the task's branch.
type BranchError struct {
	Worktree, Want string
	Have           string // "" if HEAD is detached
	Doing          string // rebase, if that is why HEAD is detached
}

// Error returns a message with both branches.
func (e *BranchError) Error() string {
	have := "the branch " + e.Have
	if e.Have == "" {
		have = "no branch"
	}
	if e.Doing != "" {
		have += ", a " + e.Doing + " is unfinished"
	}
	return fmt.Sprintf("%s should have the branch %s checked out but has %s", e.Worktree, e.Want, have)
}

// Is reports whether target is ErrBranch.
func (e *BranchError) Is(target error) bool { return target == ErrBranch }

// LandSpec describes the commit that a green verdict allows.
type LandSpec struct {
	WorkSpec
	Tree    string // exactly what was checked
	Message string // of the commit, if one is needed
}

// Land makes the branch hold exactly the tree that was checked and returns its commit: HEAD if that already has the
// tree, otherwise one new commit by muster on top. The worktree is clean afterwards. Land fails with ErrMoved if the
// worktree or the branch moved on meanwhile, with ErrBranch if the agent left its branch, and with Obstacles if the
// work is unfinished or if others would not get all of it; nothing was changed then. A second call returns the same
// commit.
func (r *Repo) Land(ctx context.Context, spec LandSpec) (string, error) {
	ref, err := branchRef(spec.Branch)
	if err != nil {
		return "", err
	}
	if !isHash(spec.Tree) {
		return "", fault.New(fault.Usage, "%q is not the name of a tree", spec.Tree)
	}
	if err := r.relink(spec.Worktree); err != nil {
		return "", err
	}
	c, tree, err := r.tree(ctx, spec.Worktree)
	if err != nil {
		return "", err
	}
	if e := wrongBranch(c, spec.WorkSpec); e != nil {
		return "", e
	}
	if found, err := r.obstacles(ctx, c, tree, spec.WorkSpec, false); err != nil || len(found) > 0 {
		if err == nil {
			err = found
		}
		return "", fault.Wrap(fault.Conflict, err, "land %s", spec.Branch)
	}
	if c.headTree == spec.Tree && c.head != "" {
		if tree != spec.Tree {
			return c.head, nil // the checked work is landed; later changes belong to another turn
		}
		return c.head, r.locked(ctx, func(lock *os.File) error { return r.syncIndex(ctx, lock, c, false) })
	}
	if tree != spec.Tree {
		return "", fmt.Errorf("land %s: %w: its tree is %s, checked was %s", spec.Branch, ErrMoved, tree, spec.Tree)
	}
	if err := r.related(ctx, c, spec); err != nil {
		return "", err
	}
	merged := merging(c)
	commit, err := r.commitTree(ctx, newCommit{
		tree: spec.Tree, parents: append(parentsOf(c.head), merged...), message: spec.Message,
	})
	if err != nil {
		return "", fmt.Errorf("land %s: %w", spec.Branch, err)
	}
	return commit, r.locked(ctx, func(lock *os.File) error {
		old := c.head
		if old == "" {
			old = strings.Repeat("0", len(commit))
		}
		if err := r.setRef(ctx, lock, ref, commit, old); err != nil {
			if said(err, "but expected", "reference already exists") {
				return fmt.Errorf("land %s: %w: %w", spec.Branch, ErrMoved, err)
			}
			return err
		}
		return r.syncIndex(ctx, lock, c, merged != nil)
	})
}

// syncIndex resets the worktree's index to its HEAD, as after a commit of everything. With finish it also ends a
// merge.
func (r *Repo) syncIndex(ctx context.Context, lock *os.File, c checkout, finish bool) error {
	differs := false
	err := r.seated(ctx, c, func(at place) error {
		_, err := r.git(ctx, call{in: &at, args: []string{"diff-index", "--cached", "--quiet", "--ignore-submodules=none", "HEAD", "--"}})
		if differs = exited(err, 1); differs {
			return nil
		}
		return err
	})
	if err == nil && !differs && !finish {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the index of %s: %w", c.workTree, err)
	}
	err = r.editIndex(ctx, c, func(at place) error {
		if _, err := r.git(ctx, call{in: &at, args: []string{"reset", "--mixed", "-q"}, lock: lock, long: true}); err != nil {
			return err
		}
		// As git reset does. If we are killed before the index is in place, the next call finds that it differs.
		for _, name := range endedByReset {
			if err := os.Remove(filepath.Join(c.gitDir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fault.Wrap(fault.Failed, err, "the branch has its commit, but the index of %s is out of date", c.workTree).
			WithHint("If no git runs there, remove %s and try again.", filepath.Join(c.gitDir, "index.lock"))
	}
	return nil
}

// endedByReset are the files of a git directory by which git knows of an unfinished merge, cherry-pick or revert.
var endedByReset = []string{
	"CHERRY_PICK_HEAD", "REVERT_HEAD", "MERGE_RR", "MERGE_MSG", "MERGE_MODE", "AUTO_MERGE", "SQUASH_MSG", "MERGE_HEAD",
}

// merging returns the further parents of a merge that the agent began and did not commit.
func merging(c checkout) []string {
	b, err := readSmall(filepath.Join(c.gitDir, "MERGE_HEAD"))
	if err != nil {
		return nil
	}
	var parents []string
	for _, hash := range strings.Fields(string(b)) {
		if isHash(hash) {
			parents = append(parents, hash)
		}
	}
	return parents
}

// related returns an error unless the branch has history in common with its base. Without it no publishing would
// accept the branch.
func (r *Repo) related(ctx context.Context, c checkout, spec LandSpec) error {
	if c.head != "" {
		_, err := r.git(ctx, call{args: []string{"merge-base", spec.Base, c.head}})
		if err == nil {
			return nil
		}
		if !exited(err, 1) {
			return fmt.Errorf("compare with base: %w", err)
		}
	}
	return fault.New(fault.Conflict, "the branch %s has no history in common with its base %s", spec.Branch, spec.Base).
		WithHint("Look at it: git log %s", spec.Branch)
}
