package git

import (
	"context"
	"os"
	"strings"

	"muster/internal/fault"
)

// Work names the places of a task's work.
type Work struct {
	Worktree string // path; "" if it is gone
	Kept     string // its newest keep ref; "" for none
	Branch   string // short name
}

// The places where the newest state of a task's work was found. For kept work it is the keep ref itself.
const (
	FromWorktree = "worktree"
	FromBranch   = "branch"
)

// StartFrom returns the commit of the newest state of a task's work, from which another task starts, and where that
// state was found: in the worktree (with everything that is not ignored), otherwise under the keep ref, otherwise on
// the branch. Uncommitted work becomes a commit under the private ref, on top of the commit it is based on.
func (r *Repo) StartFrom(ctx context.Context, w Work, ref string) (commit, from string, err error) {
	if w.Worktree != "" {
		s, err := r.Snapshot(ctx, w.Worktree, ref, "muster: the work of another task as it was")
		switch {
		case err == nil && !s.Dirty:
			return s.Head, FromWorktree, nil
		case err == nil:
			return s.Commit, FromWorktree, nil
		case !fault.Is(err, fault.NotFound):
			return "", "", err
		}
	}
	if w.Kept != "" {
		commit, err := r.keptAs(ctx, w, ref)
		if err != nil || commit != "" {
			return commit, w.Kept, err
		}
	}
	commit, err = r.Resolve(ctx, "refs/heads/"+w.Branch)
	return commit, FromBranch, err
}

// keptAs returns the work tree of a keep ref as a commit on top of the kept HEAD, under the private ref. The kept
// commit itself has further parents, such as the histories of nested repositories. It returns "" if the keep ref is
// gone, or if the branch has newer commits.
func (r *Repo) keptAs(ctx context.Context, w Work, ref string) (string, error) {
	if err := privateRef(ref); err != nil {
		return "", err
	}
	d, err := r.described(ctx, w.Kept)
	if err != nil || d.commit == "" {
		return "", err
	}
	if len(d.parents) > 0 {
		d.parents = d.parents[:1]
		head, err := r.described(ctx, d.parents[0])
		if err != nil {
			return "", err
		}
		newer, err := r.isBehind(ctx, head.commit, "refs/heads/"+w.Branch)
		switch {
		case err != nil || newer:
			return "", err
		case head.tree == d.tree:
			return head.commit, nil
		}
	}
	commit, err := r.commitTree(ctx, newCommit{tree: d.tree, parents: d.parents, message: "muster: the work of another task as it was kept"})
	if err != nil {
		return "", err
	}
	return commit, r.locked(ctx, func(lock *os.File) error { return r.setRef(ctx, lock, ref, commit, "") })
}

// isBehind reports whether a branch contains a commit and has newer ones.
func (r *Reader) isBehind(ctx context.Context, commit, branch string) (bool, error) {
	out, err := r.line(ctx, call{args: []string{"rev-list", "--count", "--left-right", commit + "..." + branch}})
	if exited(err, 128) {
		return false, nil // there is no such branch
	}
	left, right, _ := strings.Cut(out, "\t")
	return left == "0" && right != "0", err
}
