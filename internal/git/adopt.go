package git

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"muster/internal/fault"
	"muster/internal/home"
)

// Adopt registers a directory that belongs to a task as a worktree again, so that its work can be kept. The
// repository has forgotten it if, for example, a backup was restored that is older than the worktree. If a person has
// the branch checked out elsewhere, HEAD is detached. A registered worktree and a missing directory stay as they are.
// A directory of another owner is a fault.Conflict. Adopt uses Path, Task and Owner of the spec.
func (r *Repo) Adopt(ctx context.Context, spec WorktreeSpec) error {
	if err := r.contained(spec.Path); err != nil {
		return err
	}
	return r.locked(ctx, func(lock *os.File) error {
		admin, err := r.registration(spec.Path)
		if err != nil || admin != "" {
			return err
		}
		if empty, err := emptyDir(spec.Path); err != nil || empty {
			return err
		}
		p := preparing{r: r, lock: lock, spec: spec}
		if p.known, err = r.remembered(spec.Path); err != nil {
			return err
		}
		return p.adopt(ctx, true)
	})
}

// adopt registers a directory of this task that the repository has forgotten, for example because git worktree prune
// ran while its disk was not mounted. Its files stay as they are and become changes against the branch.
func (p *preparing) adopt(ctx context.Context, orDetached bool) error {
	st, err := os.Lstat(filepath.Join(p.spec.Path, ".git"))
	if !p.owned() || err == nil && !st.Mode().IsRegular() {
		return p.occupied()
	}
	beside := p.spec.Path + ".adopting"
	if err := home.RemoveTree(beside); err != nil {
		return fault.Wrap(fault.Failed, err, "adopt %s", p.spec.Path)
	}
	if admin, err := p.r.registration(beside); err != nil || admin != "" && home.RemoveTree(admin) != nil {
		return errors.Join(err, fault.New(fault.Failed, "cannot remove %s", admin))
	}
	args := []string{"--no-checkout", beside, p.known.Branch}
	if _, err := p.r.Resolve(ctx, "refs/heads/"+p.known.Branch); err != nil {
		args = append(newBranch(p.known.Branch), "--no-checkout", beside, p.known.Base)
	}
	err = p.add(ctx, args...)
	if orDetached && said(err, "already checked out", "already used by worktree") {
		err = p.add(ctx, "--no-checkout", "--detach", beside, "refs/heads/"+p.known.Branch)
	}
	if err != nil {
		return err
	}
	admin, err := p.r.registration(beside)
	if err != nil || admin == "" {
		return errors.Join(err, fault.New(fault.Failed, "git did not register %s", beside))
	}
	c, err := p.r.unread(ctx, admin, p.spec.Path)
	if err != nil {
		return err
	}
	err = p.r.editIndex(ctx, c, func(at place) error {
		_, err := p.r.git(ctx, call{in: &at, args: []string{"read-tree", "HEAD"}, lock: p.lock})
		return err
	})
	if err != nil {
		return fault.Wrap(fault.Failed, err, "adopt %s", p.spec.Path)
	}
	dotGit := filepath.Join(c.workTree, ".git")
	// The order matters: .git is written before gitdir, because a registered worktree is not adopted a second time.
	if err := writeFile(dotGit, "gitdir: "+admin+"\n"); err != nil {
		return err
	}
	if err := home.RemoveTree(beside); err != nil {
		return fault.Wrap(fault.Failed, err, "adopt %s", p.spec.Path)
	}
	return writeFile(filepath.Join(admin, "gitdir"), dotGit+"\n")
}
