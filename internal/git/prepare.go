package git

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/replace"
)

// maxSuffix is the last number tried if a branch name is taken.
const maxSuffix = 9

// WorktreeSpec describes the worktree that a task needs.
type WorktreeSpec struct {
	Path   string // absolute
	Branch string // short name
	Base   string // revision where the branch begins; "" is HEAD of the checkout
	Task   string // id of the task
	// Owner distinguishes this task from one of another fleet (for example of an earlier state directory) with the
	// same id and path. The branch of another owner is never used. "" is Task.
	Owner string
}

func (s WorktreeSpec) owner() string { return cmp.Or(s.Owner, s.Task) }

// Worktree is what Prepare made or found.
type Worktree struct {
	Path   string
	Branch string // as asked for, or with a suffix -2 … -9 if that name was taken
	Base   string // the commit where the branch began, the same however often Prepare is called
	// Created is false if the complete worktree existed already.
	Created bool
}

// Prepare makes a worktree on a new branch, or completes or finds what an earlier call made. It may be called again
// after a crash at any point and never overwrites an agent's work.
//
// The branch starts at Base. If Base is a local branch that is only behind its upstream as last fetched, it starts at
// the upstream. Prepare does not use the network (see Fetch). A branch that belongs to another owner, or that a
// person has checked out elsewhere, stays as it is and another name is taken. If all names are taken, that is a
// fault.Conflict.
func (r *Repo) Prepare(ctx context.Context, spec WorktreeSpec) (Worktree, error) {
	if err := r.contained(spec.Path); err != nil {
		return Worktree{}, err
	}
	if _, err := branchRef(spec.Branch); err != nil {
		return Worktree{}, err
	}
	if spec.Base != "" {
		if err := revision(spec.Base); err != nil {
			return Worktree{}, err
		}
	}
	if err := os.MkdirAll(filepath.Dir(spec.Path), 0o700); err != nil {
		return Worktree{}, fault.Wrap(fault.Failed, err, "make room for the worktree")
	}
	p := preparing{r: r, spec: spec}
	p.lookAhead(ctx)
	var wt Worktree
	err := r.locked(ctx, func(lock *os.File) (err error) {
		p.lock = lock
		wt, err = p.run(ctx)
		return err
	})
	if err == nil && p.claim != nil {
		err = p.fill(ctx)
	}
	if err != nil {
		return Worktree{}, err
	}
	return wt, nil
}

// lookAhead finds the start of a new worktree's branch before the lock is taken, because many worktrees may wait for
// the lock. If another process takes the name meanwhile, git reports it.
func (p *preparing) lookAhead(ctx context.Context) {
	known, err := p.r.remembered(p.spec.Path)
	if err != nil || known != nil {
		return
	}
	if start, refs, err := p.start(ctx); err == nil {
		p.ahead = &startPoint{start: start, refs: refs}
	}
}

// startPoint is the result of start: the commit to begin at, and the existing branches of that name with their
// commits.
type startPoint struct {
	start string
	refs  map[string]string
}

// preparing is the state of one Prepare under the lock.
type preparing struct {
	r     *Repo
	lock  *os.File
	spec  WorktreeSpec
	known *record     // of this path, by any owner
	ahead *startPoint // found before the lock was taken; nil if nothing was
	claim *os.File    // the locked claim file of a new worktree without files, see claimed
}

// owned reports whether the record of the path was written for this task.
func (p *preparing) owned() bool { return p.known != nil && p.known.Owner == p.spec.owner() }

func (p *preparing) run(ctx context.Context) (Worktree, error) {
	var err error
	if p.known, err = p.r.remembered(p.spec.Path); err != nil {
		return Worktree{}, err
	}
	admin, err := p.r.registration(p.spec.Path)
	if err != nil {
		return Worktree{}, err
	}
	if admin, err = p.r.dropUnfinished(ctx, p.spec.Path, admin); err != nil {
		return Worktree{}, err
	}
	empty, err := emptyDir(p.spec.Path)
	if err != nil {
		return Worktree{}, err
	}
	switch {
	case admin != "" && empty && p.known != nil && !p.owned():
		err = p.dropRegistration(ctx, admin)
	case admin != "" && empty:
		if err = p.refill(ctx, admin); err == nil {
			return p.existing(ctx, true)
		}
	case admin != "":
		return p.existing(ctx, false)
	case !empty:
		if err = p.adopt(ctx, false); err == nil {
			return p.existing(ctx, true)
		}
	}
	if err != nil {
		return Worktree{}, err
	}
	return p.create(ctx)
}

// existing returns a complete worktree at the path if it belongs to this task.
func (p *preparing) existing(ctx context.Context, completed bool) (Worktree, error) {
	if err := p.r.relink(p.spec.Path); err != nil {
		return Worktree{}, err
	}
	c, err := p.r.inspect(ctx, p.spec.Path)
	if err != nil {
		return Worktree{}, err
	}
	if p.known == nil {
		name := strings.TrimPrefix(c.branch, "refs/heads/")
		base, err := p.guessBase(ctx, name, c.head)
		if err != nil {
			return Worktree{}, err
		}
		p.known = &record{Path: p.spec.Path, Branch: name, Base: base, Owner: p.spec.owner()}
		if err := p.r.remember(*p.known); err != nil {
			return Worktree{}, err
		}
	}
	if !p.owned() {
		return Worktree{}, p.occupied()
	}
	return Worktree{Path: p.spec.Path, Branch: p.known.Branch, Base: p.known.Base, Created: completed}, nil
}

// guessBase finds the start of a worktree's branch if there is no record of it.
func (p *preparing) guessBase(ctx context.Context, branch, head string) (string, error) {
	n := strings.TrimPrefix(branch, p.spec.Branch)
	if branch != p.spec.Branch && (n == branch || len(n) != 2 || n[0] != '-' || n[1] < '2' || n[1] > '0'+maxSuffix) {
		return "", p.occupied()
	}
	start, _, err := p.start(ctx)
	if err != nil || head == "" {
		return start, err
	}
	base, err := p.r.line(ctx, call{args: []string{"merge-base", start, head}})
	if exited(err, 1) {
		return start, nil
	}
	return base, err
}

// occupied returns the error for a path that holds something else.
func (p *preparing) occupied() error {
	return fault.New(fault.Conflict, "%s is there already and is not the worktree of %s", p.spec.Path, p.spec.Task).
		WithHint("Move it away: mv %s %s.old && git worktree prune", p.spec.Path, p.spec.Path)
}

// create makes the worktree at a path where nothing is.
func (p *preparing) create(ctx context.Context) (Worktree, error) {
	if p.ahead == nil || p.known != nil {
		start, refs, err := p.start(ctx)
		if err != nil {
			return Worktree{}, err
		}
		p.ahead = &startPoint{start: start, refs: refs}
	}
	start, refs := p.ahead.start, p.ahead.refs
	rec := record{Path: p.spec.Path, Base: start, Owner: p.spec.owner()}
	if p.owned() {
		rec = *p.known
		start = rec.Base
		tip, there := refs[rec.Branch]
		if there {
			err := p.addEmpty(ctx, p.spec.Path, rec.Branch)
			if err == nil {
				return Worktree{Path: p.spec.Path, Branch: rec.Branch, Base: rec.Base, Created: true}, nil
			}
			if !said(err, "already checked out", "already used by worktree") {
				return Worktree{}, err
			}
			start, rec.Branch = tip, "" // a person has it checked out: continue from there under another name
		}
	}
	for n := 1; n <= maxSuffix; n++ {
		branch := rec.Branch
		if branch == "" {
			branch = p.candidate(n)
		}
		if taken(refs, branch) {
			rec.Branch = ""
			continue
		}
		rec.Branch = branch
		if err := p.r.remember(rec); err != nil {
			return Worktree{}, err
		}
		err := p.addEmpty(ctx, append(newBranch(branch), p.spec.Path, start)...)
		if err == nil {
			return Worktree{Path: p.spec.Path, Branch: branch, Base: rec.Base, Created: true}, nil
		}
		if !said(err, "a branch named") {
			return Worktree{}, err
		}
		rec.Branch = "" // another process has just made it
	}
	return Worktree{}, fault.New(fault.Conflict, "the branch %s and its numbered names up to -%d are all taken", p.spec.Branch, maxSuffix).
		WithHint("Remove some: git branch --list '%s*'", p.spec.Branch)
}

func (p *preparing) candidate(n int) string {
	if n == 1 {
		return p.spec.Branch
	}
	return p.spec.Branch + "-" + strconv.Itoa(n)
}

// taken reports whether the branch exists, or one below its name, which git does not allow beside it.
func taken(refs map[string]string, branch string) bool {
	if _, ok := refs[branch]; ok {
		return true
	}
	for name := range refs {
		if strings.HasPrefix(name, branch+"/") {
			return true
		}
	}
	return false
}

// add runs git worktree add.
func (p *preparing) add(ctx context.Context, args ...string) error {
	path := args[slices.IndexFunc(args, filepath.IsAbs)]
	args = append([]string{"worktree", "add", "-q"}, args...)
	err := p.r.addWorktree(ctx, call{args: args, lock: p.lock, long: true}, path)
	switch {
	case err == nil:
		return nil
	case said(err, "cannot lock ref", "unable to create directory"):
		return fault.Wrap(fault.Conflict, err, "cannot make the branch of %s", p.spec.Task).
			WithHint("If a branch is called %q, rename it: git branch -m", strings.SplitN(p.spec.Branch, "/", 2)[0])
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.Timeout, err, "make the worktree %s", p.spec.Path)
	}
	return fault.Wrap(fault.Failed, err, "make the worktree %s", p.spec.Path)
}

// addWorktree runs git worktree add, which makes a worktree without files at path. git takes the view for the
// repository, so the worktree's .git leads there until it is written again. Until then the worktree is locked.
func (r *Repo) addWorktree(ctx context.Context, c call, path string) error {
	view, err := r.viewed(ctx)
	if err != nil {
		return err
	}
	for _, name := range []string{"worktrees", "logs"} { // git cannot make what a link leads to
		if err := os.MkdirAll(filepath.Join(r.Common, name), 0o777); err != nil { //nolint:gosec // as git makes it
			return err
		}
	}
	if err := replace.Quick(filepath.Join(view, "HEAD"), []byte(r.mainHead())); err != nil {
		return err
	}
	if err := r.change(ctx, c, true); err != nil {
		return err
	}
	through, err := r.adminOf(path)
	if err != nil {
		return err
	}
	admin := filepath.Join(r.Common, "worktrees", filepath.Base(through))
	if err := os.WriteFile(filepath.Join(path, ".git"), []byte("gitdir: "+admin+"\n"), 0o644); err != nil { //nolint:gosec // as git makes it
		return err
	}
	_, f := r.view.settings()
	if f.Worktree == nil {
		return nil
	}
	return os.WriteFile(filepath.Join(admin, "config.worktree"), []byte(renderConfig(f.Worktree)), 0o644) //nolint:gosec // as git makes it
}

// start returns the commit to begin at and, from the same git process, our existing branch names with their commits.
func (p *preparing) start(ctx context.Context) (string, map[string]string, error) {
	base := p.spec.Base
	args := []string{
		"for-each-ref", "--format=%(refname)%09%(objectname)%09%(upstream)%09%(upstream:track,nobracket)",
		"refs/heads/" + p.spec.Branch, "refs/heads/" + p.spec.Branch + "-[2-9]", "refs/heads/" + p.spec.Branch + "-[2-9]/**",
	}
	if p.owned() {
		args = append(args, "refs/heads/"+p.known.Branch)
	} else if validRef(base) {
		args = append(args, "refs/heads/"+base)
	}
	out, err := p.r.git(ctx, call{args: args})
	if err != nil {
		return "", nil, fmt.Errorf("list branches: %w", err)
	}
	refs := map[string]string{}
	start := ""
	for l := range strings.Lines(out) {
		f := strings.Split(strings.TrimSuffix(l, "\n"), "\t")
		if len(f) != 4 {
			return "", nil, fmt.Errorf("list branches: unexpected %q", l)
		}
		name := strings.TrimPrefix(f[0], "refs/heads/")
		refs[name] = f[1]
		if name == base {
			start = f[1]
			// An agent can make one of its own branches the upstream of a person's.
			if strings.HasPrefix(f[3], "behind ") && strings.HasPrefix(f[2], "refs/remotes/") {
				if start, err = p.r.Resolve(ctx, f[2]); err != nil {
					return "", nil, err
				}
			}
		}
	}
	switch {
	case p.owned():
		return p.known.Base, refs, nil
	case start != "":
		return start, refs, nil
	case base == "":
		c, err := p.r.inspect(ctx, p.r.Root)
		return c.head, refs, err
	}
	start, err = p.r.Resolve(ctx, base)
	return start, refs, err
}

// dropRegistration removes what is left of a worktree of another fleet whose directory is gone. Commits that only its
// HEAD leads to get a private ref.
func (p *preparing) dropRegistration(ctx context.Context, admin string) error {
	if b, err := readSmall(filepath.Join(admin, "HEAD")); err == nil {
		if head := strings.TrimSpace(string(b)); isHash(head) && strings.Trim(head, "0") != "" {
			if err := p.r.setRef(ctx, p.lock, privatePrefix+"lost/"+head, head, ""); err != nil {
				return err
			}
		}
	}
	if err := home.RemoveTree(admin); err != nil {
		return fault.Wrap(fault.Failed, err, "forget the old worktree at %s", p.spec.Path)
	}
	return nil
}

// newBranch returns the flags for a branch that does not exist yet. It does not track another branch, because git
// would write that to the shared configuration, and concurrent gits race there.
func newBranch(name string) []string { return []string{"--no-track", "-b", name} }

// emptyDir reports whether path is missing or an empty directory.
func emptyDir(path string) (bool, error) {
	st, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fault.Wrap(fault.Failed, err, "look at %s", path)
	}
	if !st.IsDir() {
		return false, fault.New(fault.Conflict, "%s is not a directory", path).WithHint("Move it away.")
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return false, fault.Wrap(fault.Failed, err, "look at %s", path)
	}
	return len(entries) == 0, nil
}
