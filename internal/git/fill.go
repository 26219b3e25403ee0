package git

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/lock"
)

// A new worktree gets its files after the repository's lock is released, so that the next worktree can be made
// meanwhile. Until the files are there, the worktree stays locked in git's sense, which marks it as unfinished. The
// process that fills it, and its git, hold a file lock on that "locked" file.

// addEmpty makes a worktree without files and claims it.
func (p *preparing) addEmpty(ctx context.Context, args ...string) error {
	if err := p.add(ctx, append([]string{"--lock", "--no-checkout"}, args...)...); err != nil {
		return err
	}
	admin, err := p.r.adminOf(p.spec.Path)
	if err != nil {
		return err
	}
	p.claim, err = claimed(ctx, admin)
	if err == nil && p.claim == nil {
		err = fault.New(fault.Failed, "git did not lock the worktree %s", p.spec.Path)
	}
	return err
}

// adminOf returns the administrative directory of a worktree that was just made.
func (r *Reader) adminOf(path string) (string, error) {
	b, err := readSmall(filepath.Join(path, ".git"))
	admin, ok := strings.CutPrefix(strings.TrimRight(string(b), "\n"), "gitdir: ")
	if err == nil && ok && filepath.IsAbs(admin) {
		return admin, nil
	}
	if admin, err = r.registration(path); err != nil || admin == "" {
		return "", errors.Join(err, fault.New(fault.Failed, "git did not register %s", path))
	}
	return admin, nil
}

// claimed waits until no process fills a worktree and returns its locked claim file. It is nil for a finished
// worktree.
func claimed(ctx context.Context, admin string) (*os.File, error) {
	f, _, err := openRegular(filepath.Join(admin, "locked"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "look at the worktree of %s", admin)
	}
	if err := lock.WaitFor(ctx, f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// fill writes the files of a new worktree. If that fails, the worktree is removed, as git does.
func (p *preparing) fill(ctx context.Context) error {
	defer p.claim.Close() //nolint:errcheck // nothing was written
	admin := filepath.Dir(p.claim.Name())
	c, err := p.r.unread(ctx, admin, p.spec.Path)
	if err == nil {
		err = p.r.editIndex(ctx, c, func(at place) error {
			if err := copySparse(c.view, at); err != nil {
				return err
			}
			args := []string{"read-tree", "--reset", "-u", "HEAD"}
			_, err := p.r.git(ctx, call{in: &at, args: args, lock: p.claim, long: true})
			return err
		})
	}
	if err == nil {
		err = os.Remove(p.claim.Name())
	}
	if err == nil {
		return nil
	}
	code := fault.Failed
	if errors.Is(err, context.DeadlineExceeded) {
		code = fault.Timeout
	}
	err = fault.Wrap(code, err, "fill the worktree %s", p.spec.Path)
	return errors.Join(err, home.RemoveTree(p.spec.Path), home.RemoveTree(admin))
}

// dropUnfinished removes a worktree that was never finished because its maker was killed or the machine went down. It
// returns the administrative directory of the worktree that is there then; "" if there is none.
func (r *Repo) dropUnfinished(ctx context.Context, path, admin string) (string, error) {
	if admin == "" || !inTheMaking(admin) {
		return admin, nil
	}
	claim, err := claimed(ctx, admin)
	if err != nil {
		return "", err
	}
	if claim != nil {
		defer claim.Close() //nolint:errcheck // nothing was written
	}
	if !exists(admin) {
		return "", nil
	}
	if !inTheMaking(admin) {
		return admin, nil // it was finished meanwhile
	}
	if err := errors.Join(home.RemoveTree(path), home.RemoveTree(admin)); err != nil {
		return "", fault.Wrap(fault.Failed, err, "remove the half-made worktree %s", path)
	}
	return "", nil
}

// refill restores the files of a registered worktree whose directory is missing, as they are in its index. Staged
// changes come back, too.
func (p *preparing) refill(ctx context.Context, admin string) error {
	if err := os.MkdirAll(p.spec.Path, 0o777); err != nil { //nolint:gosec // as git makes it, under a private parent
		return fault.Wrap(fault.Failed, err, "make the worktree %s", p.spec.Path)
	}
	if err := p.r.relink(p.spec.Path); err != nil {
		return err
	}
	c, err := p.r.unread(ctx, admin, p.spec.Path)
	if err != nil {
		return err
	}
	err = p.r.editIndex(ctx, c, func(at place) error {
		if !exists(at.index) {
			if _, err := p.r.git(ctx, call{in: &at, args: []string{"read-tree", "HEAD"}, lock: p.lock}); err != nil {
				return err
			}
		}
		args := []string{"checkout-index", "-a", "-f", "-q", "-u"}
		_, err := p.r.git(ctx, call{in: &at, args: args, lock: p.lock, long: true})
		return err
	})
	if err != nil {
		return fault.Wrap(fault.Failed, err, "fill the worktree %s", p.spec.Path)
	}
	return nil
}

// copySparse copies the patterns of a sparse checkout into a seat, where git looks for them.
func copySparse(view string, at place) error {
	b, err := os.ReadFile(filepath.Join(view, "info", "sparse-checkout")) //nolint:gosec // a directory of our own
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	dir := filepath.Join(at.gitDir, "info")
	return errors.Join(err, os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "sparse-checkout"), b, 0o600))
}
