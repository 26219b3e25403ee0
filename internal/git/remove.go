package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"muster/internal/fault"
	"muster/internal/home"
)

// RemoveWorktree removes a linked worktree; its branch stays. It returns a fault.Conflict for the checkout itself,
// for a path that is not registered as a linked worktree and, unless forced, for a worktree with uncommitted work or
// with a detached commit that no branch has. Before a forced removal the caller should call Keep. RemoveWorktree may
// be called again, also after a crash in the middle.
func (r *Repo) RemoveWorktree(ctx context.Context, path string, force bool) error {
	if err := r.contained(path); err != nil {
		return err
	}
	return r.locked(ctx, func(*os.File) error {
		admin, err := r.registration(path)
		if err != nil {
			return err
		}
		if admin != "" && inTheMaking(admin) { // the git of a killed process may still be filling it
			claim, err := claimed(ctx, admin)
			if err != nil {
				return err
			}
			defer claim.Close() //nolint:errcheck // nothing was written
		}
		if admin == "" && exists(path) {
			return notOurs(path)
		}
		if admin != "" && exists(path) && !force {
			if err := r.clean(ctx, path); err != nil {
				return err
			}
		}
		within, err := r.linkedInside(realPath(path))
		if err != nil {
			return err
		}
		// The directory is renamed first, so that a half-removed one is never taken for work.
		away := removingPath(path)
		if err := home.RemoveTree(away); err != nil {
			return fault.Wrap(fault.Failed, err, "remove the worktree %s", path)
		}
		if err := os.Rename(path, away); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fault.Wrap(fault.Failed, err, "remove the worktree %s", path)
		}
		for _, inner := range within { // their directories are gone with it
			err = errors.Join(err, home.RemoveTree(inner))
		}
		if admin != "" {
			err = errors.Join(err, home.RemoveTree(admin))
		}
		if err := errors.Join(err, home.RemoveTree(away)); err != nil {
			return fault.Wrap(fault.Failed, err, "remove the worktree %s", path)
		}
		return nil
	})
}

// clean returns an error if removing a worktree would lose anything.
func (r *Repo) clean(ctx context.Context, path string) error {
	if err := r.relink(path); err != nil {
		return err
	}
	c, err := r.inspect(ctx, path)
	if err != nil {
		return err
	}
	u, err := r.uncommitted(ctx, c)
	if err != nil {
		return err
	}
	if u.Any() {
		return fault.New(fault.Conflict, "the worktree %s holds work that is not committed", path).
			WithHint("Commit it there, or use --force, which keeps it under a private ref.")
	}
	if c.branch != "" || c.head == "" {
		return nil
	}
	out, err := r.git(ctx, call{args: []string{
		"for-each-ref", "--count=1", "--contains", c.head, "refs/heads", "refs/remotes", "refs/tags", keepPrefix,
	}})
	if err != nil {
		return fmt.Errorf("look for %s: %w", c.head, err)
	}
	if out == "" {
		return fault.New(fault.Conflict, "the worktree %s is at a commit that no branch has: %s", path, c.head).
			WithHint("Name it: git branch NAME %s", c.head)
	}
	return nil
}

// Fetch updates the remote-tracking branches of a remote. It never prompts and ends at its timeout.
func (r *Repo) Fetch(ctx context.Context, remote string) error {
	if !remoteName(remote) {
		return fault.New(fault.Usage, "%q is not the name of a remote", remote)
	}
	if _, err := r.viewed(ctx); err != nil {
		return err
	}
	env := r.quietSSH(r.view.settings())
	return r.locked(ctx, func(lock *os.File) error {
		args := []string{"fetch", "-q", "--no-write-fetch-head", "--no-recurse-submodules", remote}
		if err := r.change(ctx, call{args: args, env: env, lock: lock, timeout: fetchTimeout}, false); err != nil {
			return fault.Wrap(fault.Failed, err, "fetch from %s", remote).
				WithHint("Try it by hand: git -C %s fetch %s", r.Root, remote)
		}
		return nil
	})
}
