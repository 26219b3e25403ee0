package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"muster/internal/fault"
)

// RestoreSpec names the kept work and the worktree to restore it to.
type RestoreSpec struct {
	Path   string // absolute; it must not exist
	Branch string // to check out; made at the kept HEAD if it is gone
	Ref    string // the ref that Keep returned
}

// Restore makes a worktree as Keep found it: the branch is checked out, staged changes are staged, and everything
// else is in the work tree as uncommitted changes. If the branch moved on since, the kept work shows as changes
// against its new commit. A second call changes nothing. Other work at the path is a fault.Conflict.
func (r *Repo) Restore(ctx context.Context, spec RestoreSpec) error {
	if err := r.contained(spec.Path); err != nil {
		return err
	}
	if err := privateRef(spec.Ref); err != nil {
		return err
	}
	ref, err := branchRef(spec.Branch)
	if err != nil {
		return err
	}
	kept, err := r.described(ctx, spec.Ref)
	if err != nil {
		return err
	}
	if kept.commit == "" || len(kept.parents) == 0 {
		return fault.New(fault.NotFound, "there is no kept work %s", spec.Ref).
			WithHint("List what there is: git for-each-ref refs/muster/keep")
	}
	if err := os.MkdirAll(filepath.Dir(spec.Path), 0o700); err != nil {
		return fault.Wrap(fault.Failed, err, "make room for the worktree")
	}
	done, err := r.inTheWay(ctx, spec, ref, kept)
	if done || err != nil {
		return err
	}
	return r.locked(ctx, func(lock *os.File) error { return r.restore(ctx, lock, spec, kept) })
}

// inTheWay reports whether the same work is already restored at the path. Anything else there is an error.
func (r *Repo) inTheWay(ctx context.Context, spec RestoreSpec, ref string, kept description) (bool, error) {
	admin, err := r.registration(spec.Path)
	if err != nil || admin != "" && inTheMaking(admin) {
		return false, err
	}
	if empty, err := emptyDir(spec.Path); empty || err != nil {
		return false, err
	}
	conflict := fault.New(fault.Conflict, "%s is there already", spec.Path).
		WithHint("Remove or move that worktree first; git worktree list shows it.")
	if admin == "" {
		return false, conflict
	}
	c, tree, err := r.tree(ctx, spec.Path)
	if err != nil {
		return false, err
	}
	if c.branch != ref || tree != kept.tree {
		return false, conflict
	}
	return true, nil
}

// restore makes the worktree. It stays locked, which marks it as unfinished, until everything is in place.
func (r *Repo) restore(ctx context.Context, lock *os.File, spec RestoreSpec, kept description) error {
	admin, err := r.registration(spec.Path)
	if err != nil {
		return err
	}
	if admin, err = r.dropUnfinished(ctx, spec.Path, admin); err != nil {
		return err
	}
	if admin != "" { // its directory is gone
		p := preparing{r: r, lock: lock, spec: WorktreeSpec{Path: spec.Path}}
		if err := p.dropRegistration(ctx, admin); err != nil {
			return fault.Wrap(fault.Failed, err, "restore %s", spec.Path)
		}
	}
	args, err := r.restoreArgs(ctx, spec, kept)
	if err != nil {
		return err
	}
	if err := r.addWorktree(ctx, call{args: args, lock: lock}, spec.Path); err != nil {
		code := fault.Failed
		if said(err, "already checked out", "already used by worktree") {
			code = fault.Conflict
		}
		return fault.Wrap(code, err, "restore %s", spec.Path).
			WithHint("Look at the kept work: git show %s", spec.Ref)
	}
	if admin, err = r.registration(spec.Path); err != nil || admin == "" {
		return errors.Join(err, fault.New(fault.Failed, "git did not register %s", spec.Path))
	}
	c, err := r.unread(ctx, admin, spec.Path)
	if err != nil {
		return err
	}
	if err := r.editIndex(ctx, c, func(at place) error { return r.refillKept(ctx, lock, &at, kept) }); err != nil {
		return fault.Wrap(fault.Failed, err, "restore %s", spec.Path)
	}
	if err := os.Remove(filepath.Join(admin, "locked")); err != nil {
		return fault.Wrap(fault.Failed, err, "restore %s", spec.Path)
	}
	return nil
}

// refillKept writes the files and the index of kept work.
func (r *Repo) refillKept(ctx context.Context, lock *os.File, at *place, kept description) error {
	index := kept.trailer(trailerIndex)
	if index == "" {
		index = "HEAD"
	}
	for _, args := range [][]string{
		{"read-tree", "--reset", "-u", kept.tree}, // the files
		{"read-tree", "--reset", index},           // what was staged
		{"update-index", "-q", "--refresh"},
	} {
		// update-index ends with 1 if files differ, which is expected here. A sparse checkout is restored whole,
		// since an agent's files outside of it count, too.
		if _, err := r.git(ctx, call{in: at, args: args, env: wholeEnv(), lock: lock, long: true}); err != nil &&
			(args[0] != "update-index" || !exited(err, 1)) {
			return err
		}
	}
	return r.restoreModules(ctx, at, kept)
}

// restoreArgs returns the git command that makes the worktree, empty and locked, on the existing or a new branch.
func (r *Repo) restoreArgs(ctx context.Context, spec RestoreSpec, kept description) ([]string, error) {
	args := []string{"worktree", "add", "-q", "--lock", "--no-checkout"}
	_, err := r.git(ctx, call{args: []string{"rev-parse", "-q", "--verify", "refs/heads/" + spec.Branch}})
	switch {
	case err == nil:
		return append(args, spec.Path, spec.Branch), nil
	case exited(err, 1):
		return append(append(args, newBranch(spec.Branch)...), spec.Path, kept.parents[0]), nil
	}
	return nil, fmt.Errorf("read branch %s: %w", spec.Branch, err)
}

// restoreModules writes the files of repositories inside the worktree that the tree only names (submodules), and the
// git directories that were kept as files.
func (r *Repo) restoreModules(ctx context.Context, at *place, kept description) error {
	for l := range strings.Lines(kept.message) {
		commit, dir, ok := nestedTrailer(l)
		if !ok {
			continue
		}
		path := filepath.Join(at.workTree, dir)
		empty, err := emptyDir(path)
		if err != nil {
			continue // something else is there now
		}
		if !empty { // its files were ordinary files of the tree
			if err := r.restoreGitDir(ctx, at, dir, commit); err != nil {
				return err
			}
			continue
		}
		if err := r.layDown(ctx, at, path, commit); err != nil {
			return err
		}
	}
	return nil
}

// layDown writes the files of a commit into a directory.
func (r *Repo) layDown(ctx context.Context, at *place, path, commit string) error {
	if err := os.MkdirAll(path, 0o777); err != nil { //nolint:gosec // as git would make it
		return fault.Wrap(fault.Failed, err, "restore %s", path)
	}
	in := &place{gitDir: at.gitDir, workTree: path, view: at.view, index: filepath.Join(at.gitDir, "muster-restore-index")}
	_, err := r.git(ctx, call{in: in, args: []string{"read-tree", "--reset", "-u", commit}, env: wholeEnv(), long: true})
	_ = os.Remove(in.index) // goes with the worktree at the latest
	if err != nil {
		return fault.Wrap(fault.Failed, err, "restore %s", path)
	}
	return nil
}
