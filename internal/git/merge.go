package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"muster/internal/fault"
)

// MergeWork is the work of one task to be merged.
type MergeWork struct {
	Name   string // of the task
	Commit string
}

// MergeSpec describes work to be merged onto a branch.
type MergeSpec struct {
	Branch string // the base
	Work   []MergeWork
	// Linear asks for one commit for each work, in order and without a merge commit, instead of one for all.
	Linear  bool
	Message func(names []string) string // of the commit that has the work of these
}

// MergeConflict is work that cannot be merged onto the base.
type MergeConflict struct {
	Name  string
	Files []string // the first few
}

// Merge is what MergeOnto made.
type Merge struct {
	Base, BaseTree string
	// Commit is one merge commit: its first parent is Base, the others are the commits of the merged work. With Linear it
	// is the last of as many commits as there is merged work, the first of which stands on Base. It is Base itself if
	// nothing was merged.
	Commit, Tree string
	Merged       []string        // names, in order
	Left         []string        // whose work conflicts with that of Merged only
	There        []string        // whose work the base has
	Conflicts    []MergeConflict // with the base
}

// maxConflicts bounds the files of a conflict that are named.
const maxConflicts = 20

// CanMerge returns an error unless the installed git can merge without a worktree.
func (r *Reader) CanMerge(ctx context.Context) error {
	out, err := r.line(ctx, call{args: []string{"version"}})
	if err != nil {
		return fmt.Errorf("ask git for its version: %w", err)
	}
	const major, minor = 2, 38
	f := strings.Fields(out)
	if len(f) >= 3 {
		if v := strings.Split(f[2], "."); len(v) >= 2 {
			a, _ := strconv.Atoi(v[0])
			b, _ := strconv.Atoi(v[1])
			if a > major || a == major && b >= minor {
				return nil
			}
		}
	}
	return fault.New(fault.Conflict, "publish = \"merge\" needs git %d.%d, and this is %s", major, minor, out).
		WithHint("Install a newer git, or dispatch with --publish branch.")
}

// HasBranch reports whether the repository has a local branch with this name.
func (r *Reader) HasBranch(ctx context.Context, name string) (bool, error) {
	ref, err := branchRef(name)
	if err != nil {
		return false, nil //nolint:nilerr // what cannot be the name of a branch is the name of none
	}
	_, err = r.git(ctx, call{args: []string{"rev-parse", "-q", "--verify", ref + "^{commit}"}})
	if exited(err, 1) || exited(err, 128) {
		return false, nil
	}
	return err == nil, err
}

// MergeOnto merges work onto a branch, in order, as objects only: it moves no ref and touches no checkout. What conflicts
// with the branch, or only with earlier work, is left out and named.
func (r *Repo) MergeOnto(ctx context.Context, spec MergeSpec) (Merge, error) {
	ref, err := branchRef(spec.Branch)
	if err != nil {
		return Merge{}, err
	}
	base, err := r.described(ctx, ref)
	if err != nil {
		return Merge{}, err
	}
	if base.commit == "" {
		return Merge{}, fault.New(fault.Conflict, "there is no branch %q any more", spec.Branch).
			WithHint("Bring it back: git branch %s COMMIT", spec.Branch)
	}
	b := building{r: r, spec: spec, tip: base.commit, m: Merge{Base: base.commit, BaseTree: base.tree, Commit: base.commit, Tree: base.tree}}
	for _, w := range spec.Work {
		if err := b.add(ctx, w); err != nil {
			return b.m, err
		}
	}
	return b.m, b.commit(ctx)
}

// building is a call of MergeOnto.
type building struct {
	r     *Repo
	spec  MergeSpec
	m     Merge
	tip   string   // has all work that was merged so far, as its ancestors
	works []string // the commits of the merged work
	trees []string // what was there after each of them
}

// add merges one work onto the tip, or says why it can't.
func (b *building) add(ctx context.Context, w MergeWork) error {
	if !isHash(w.Commit) {
		return fault.New(fault.Usage, "%q is not the name of a commit", w.Commit)
	}
	there, err := b.r.isAncestor(ctx, w.Commit, b.m.Base)
	if err != nil {
		return fmt.Errorf("look for the work of %s in %s: %w", w.Name, b.spec.Branch, err)
	}
	if there {
		b.m.There = append(b.m.There, w.Name)
		return nil
	}
	tree, files, err := b.r.mergeTrees(ctx, b.tip, w.Commit)
	alone := tree
	if err == nil && b.tip != b.m.Base && (files != nil || b.empty(tree)) {
		alone, files, err = b.r.mergeTrees(ctx, b.m.Base, w.Commit)
	}
	switch {
	case err != nil:
		return fmt.Errorf("merge the work of %s: %w", w.Name, err)
	case files != nil:
		b.m.Conflicts = append(b.m.Conflicts, MergeConflict{Name: w.Name, Files: files})
		return nil
	case b.spec.Linear && alone == b.m.BaseTree: // the base has the same changes in commits of its own
		b.m.There = append(b.m.There, w.Name)
		return nil
	case tree == "" || b.empty(tree):
		b.m.Left = append(b.m.Left, w.Name)
		return nil
	}
	b.tip, err = b.r.commitTree(ctx, newCommit{tree: tree, parents: []string{b.tip, w.Commit}, message: "muster: merging", timeless: true})
	if err != nil {
		return err
	}
	b.m.Merged, b.m.Tree, b.works, b.trees = append(b.m.Merged, w.Name), tree, append(b.works, w.Commit), append(b.trees, tree)
	return nil
}

// empty reports whether a commit for work that leads to this tree would change nothing, so that a linear history has none.
func (b *building) empty(tree string) bool { return b.spec.Linear && tree == b.m.Tree }

// commit makes the commits that the branch is to get.
func (b *building) commit(ctx context.Context) (err error) {
	switch {
	case len(b.works) == 0:
	case b.spec.Linear:
		for i, tree := range b.trees {
			n := newCommit{tree: tree, parents: []string{b.m.Commit}, message: b.spec.Message(b.m.Merged[i : i+1])}
			if b.m.Commit, err = b.r.commitTree(ctx, n); err != nil {
				return err
			}
		}
	default:
		n := newCommit{tree: b.m.Tree, parents: append([]string{b.m.Base}, b.works...), message: b.spec.Message(b.m.Merged)}
		b.m.Commit, err = b.r.commitTree(ctx, n)
	}
	return err
}

// mergeTrees returns the tree of two commits merged, or the first files in conflict.
func (r *Reader) mergeTrees(ctx context.Context, ours, theirs string) (tree string, files []string, err error) {
	tree, files, conflict, err := r.mergeTree(ctx, ours, theirs)
	if err != nil || !conflict {
		return tree, nil, err
	}
	if len(files) == 0 {
		files = []string{"a file that git does not name"}
	}
	return "", files[:min(len(files), maxConflicts)], nil
}

// mergeTree merges two commits as objects, and returns the tree and all files in conflict.
func (r *Reader) mergeTree(ctx context.Context, ours, theirs string) (tree string, files []string, conflict bool, err error) {
	out, err := r.git(ctx, call{args: []string{"merge-tree", "--write-tree", "--no-messages", "--name-only", "-z", ours, theirs}, long: true})
	if conflict = exited(err, 1); err != nil && !conflict {
		return "", nil, false, err
	}
	f := fields(out)
	if len(f) == 0 || !isHash(f[0]) {
		return "", nil, false, fmt.Errorf("git merge-tree: unexpected %.200q", out)
	}
	return f[0], f[1:], conflict, nil
}

// Scratch makes a worktree at path that has exactly a commit, and no branch. One that has it already is left as it is;
// anything else there is removed, so path must belong to the caller alone.
func (r *Repo) Scratch(ctx context.Context, path, commit string) error {
	if err := r.contained(path); err != nil {
		return err
	}
	if !isHash(commit) {
		return fault.New(fault.Usage, "%q is not the name of a commit", commit)
	}
	if c, tree, err := r.tree(ctx, path); err == nil && c.ref == "" && c.head == commit && c.headTree == tree {
		return nil
	}
	admin, err := r.registration(path)
	switch {
	case err != nil:
		return err
	case admin != "" || exists(path):
		if err := r.dropScratch(ctx, path, admin); err != nil {
			return err
		}
	}
	p := preparing{r: r, spec: WorktreeSpec{Path: path, Task: "the merge queue"}}
	err = r.locked(ctx, func(lock *os.File) error {
		p.lock = lock
		return p.addEmpty(ctx, "--detach", path, commit)
	})
	if err != nil {
		return err
	}
	return p.fill(ctx)
}

// dropScratch removes what is at the path of a scratch worktree, also if it is registered no longer.
func (r *Repo) dropScratch(ctx context.Context, path, admin string) error {
	if admin == "" {
		if err := os.RemoveAll(path); err != nil {
			return fault.Wrap(fault.Failed, err, "remove the worktree %s", path)
		}
		return nil
	}
	return r.RemoveWorktree(ctx, path, true)
}

// DropScratch removes the worktree that Scratch made. A missing one is not an error.
func (r *Repo) DropScratch(ctx context.Context, path string) error {
	if err := r.contained(path); err != nil {
		return err
	}
	admin, err := r.registration(path)
	if err != nil || admin == "" && !exists(path) {
		return err
	}
	return r.dropScratch(ctx, path, admin)
}

// ErrInUse is the cause of an error of Advance about a checkout of the branch that must not be touched now.
var ErrInUse = errors.New("a checkout of the branch is in use")
