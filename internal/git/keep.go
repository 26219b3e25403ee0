package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"muster/internal/fault"
)

// Snapshot is the state of a worktree at one moment, as a private commit.
type Snapshot struct {
	Commit   string // its parent is Head
	Tree     string // everything not ignored
	Head     string // commit checked out; "" if there is none yet
	HeadTree string
	Dirty    bool // Tree differs from HeadTree
}

// Snapshot commits everything that is not ignored to a private ref (below refs/muster/). It changes neither the
// worktree nor its index nor its branch. If the ref already holds this state, that commit is returned.
func (r *Repo) Snapshot(ctx context.Context, worktree, ref, message string) (Snapshot, error) {
	if err := privateRef(ref); err != nil {
		return Snapshot{}, err
	}
	if err := r.relink(worktree); err != nil {
		return Snapshot{}, err
	}
	c, tree, err := r.tree(ctx, worktree)
	if err != nil {
		return Snapshot{}, err
	}
	s := Snapshot{Tree: tree, Head: c.head, HeadTree: c.headTree, Dirty: tree != c.headTree}
	old, err := r.described(ctx, ref)
	if err != nil {
		return s, err
	}
	parents := parentsOf(c.head)
	if old.commit != "" && old.tree == tree && slices.Equal(old.parents, parents) {
		s.Commit = old.commit
		return s, nil
	}
	if s.Commit, err = r.commitTree(ctx, newCommit{tree: tree, parents: parents, message: message}); err != nil {
		return s, err
	}
	return s, r.locked(ctx, func(lock *os.File) error {
		return r.setRef(ctx, lock, ref, s.Commit, "")
	})
}

// Keep commits everything in a worktree that is not ignored to refs/muster/keep/<task>/<n>, where n is one more than
// the newest, and returns that ref. If the newest already holds this state, that one is returned. Before Keep
// returns, it verifies that the kept commit is complete, so that the caller may remove the worktree.
//
// The tree of the kept commit is the work tree. Its parents are: HEAD; a commit of the index, if something is staged;
// one commit for each repository inside the worktree, on top of that repository's own branches; one for each worktree
// of this repository inside; and the commits that an unfinished merge or rebase still needs. Restore brings the first
// two back.
//
// If the commit published holds all of this, nothing is kept and the ref is "".
func (r *Repo) Keep(ctx context.Context, worktree, task, published string) (string, error) {
	dir, err := keepDir(task)
	if err != nil {
		return "", err
	}
	if err := r.relink(worktree); err != nil {
		return "", err
	}
	c, err := r.inspect(ctx, worktree)
	if err != nil {
		return "", err
	}
	ref, err := r.keepOnce(ctx, c, task, dir, published)
	if errors.Is(err, errNotWhole) { // a person's gc removed new objects, so they are written again
		ref, err = r.keepOnce(ctx, c, task, dir, published)
	}
	if err == nil {
		return ref, nil
	}
	if !errors.Is(err, errNotWhole) {
		return "", fmt.Errorf("keep the work in %s: %w", worktree, err)
	}
	return "", fault.Wrap(fault.Failed, err, "what was kept of %s is not whole", worktree).
		WithHint("Look for what is missing: git -C %s fsck", r.Common)
}

func (r *Repo) keepOnce(ctx context.Context, c checkout, task, dir, published string) (string, error) {
	kept, err := r.keepable(ctx, c)
	if err != nil {
		return "", err
	}
	if published != "" {
		if held, err := r.holds(ctx, published, kept); held || err != nil {
			return "", err
		}
	}
	var ref string
	err = r.locked(ctx, func(lock *os.File) error {
		ref, err = r.keepCommit(ctx, lock, dir, task, kept)
		return err
	})
	return ref, err
}

// keepCommit makes the commit and the ref, or finds that the newest is the same, and verifies that nothing is
// missing.
func (r *Repo) keepCommit(ctx context.Context, lock *os.File, dir, task string, kept newCommit) (string, error) {
	refs, err := r.KeepRefs(ctx, task)
	if err != nil {
		return "", err
	}
	n := 1
	if len(refs) > 0 {
		last := refs[len(refs)-1].Ref
		old, err := r.described(ctx, last)
		if err != nil {
			return "", err
		}
		if old.tree == kept.tree && slices.Equal(old.parents, kept.parents) {
			return last, r.whole(ctx, nil, old.commit)
		}
		if n, err = strconv.Atoi(strings.TrimPrefix(last, dir)); err != nil {
			return "", fmt.Errorf("unexpected ref %s: %w", last, err)
		}
		n++
	}
	commit, err := r.commitTree(ctx, kept)
	if err != nil {
		return "", err
	}
	ref := dir + strconv.Itoa(n)
	if err := r.setRef(ctx, lock, ref, commit, strings.Repeat("0", len(commit))); err != nil {
		return "", err
	}
	// The ref is set before the check: from then on gc removes none of its objects.
	if err := r.whole(ctx, nil, commit); err != nil {
		return "", errors.Join(err, r.change(ctx, call{args: []string{"update-ref", "-d", ref, commit}, lock: lock}, false))
	}
	return ref, nil
}

// holds reports whether a commit and its history contain everything that would be kept.
func (r *Reader) holds(ctx context.Context, commit string, kept newCommit) (bool, error) {
	if len(kept.parents) != 1 {
		return false, nil
	}
	d, err := r.described(ctx, commit)
	if err != nil || d.tree != kept.tree {
		return false, err
	}
	has, err := r.isAncestor(ctx, kept.parents[0], commit)
	if exited(err, 128) {
		return false, nil
	}
	return has, err
}

// Trailers of a kept commit's message, which Restore reads.
const (
	trailerIndex  = "Index: "
	trailerBranch = "Branch: "
	trailerNested = "Repository: "
	trailerLinked = "Worktree: "
)

// nestedTrailer parses the line of the message that names a repository inside the worktree and the commit that holds
// it.
func nestedTrailer(line string) (commit, dir string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), trailerNested)
	if !ok {
		return "", "", false
	}
	commit, quoted, ok := strings.Cut(rest, " ")
	dir, err := strconv.Unquote(quoted)
	return commit, dir, ok && err == nil && filepath.IsLocal(dir)
}

// keepable collects what Keep commits.
func (r *Reader) keepable(ctx context.Context, c checkout) (newCommit, error) {
	kept := newCommit{message: "muster: work kept from " + strconv.Quote(c.workTree) + "\n\n"}
	if c.branch != "" {
		kept.message += trailerBranch + c.branch + "\n"
	}
	s, err := r.scan(ctx, c)
	if err != nil {
		return kept, err
	}
	defer s.close()
	// The worktree may be deleted next, so everything must be on the disk when Keep returns.
	s.env = wholeEnv([2]string{"core.fsync", "all"}, [2]string{"core.fsyncMethod", "batch"})
	index, err := s.indexTree(ctx)
	if err != nil {
		return kept, err
	}
	if kept.tree, err = s.workTree(ctx); err != nil {
		return kept, err
	}
	head := c.head
	if head == "" {
		if head, err = r.rootCommit(ctx, s); err != nil {
			return kept, err
		}
	}
	kept.parents = []string{head}
	if index != c.headTree {
		commit, err := r.commitTree(ctx, newCommit{tree: index, parents: kept.parents, message: "muster: index", timeless: true})
		if err != nil {
			return kept, err
		}
		kept.parents = append(kept.parents, commit)
		kept.message += trailerIndex + commit + "\n"
	}
	if err := r.keepInside(ctx, s, &kept); err != nil {
		return kept, err
	}
	for _, commit := range r.unfinishedCommits(ctx, c) {
		if !slices.Contains(kept.parents, commit) {
			kept.parents = append(kept.parents, commit)
		}
	}
	return kept, nil
}

// rootCommit returns an empty commit, for a branch that has no HEAD yet.
func (r *Reader) rootCommit(ctx context.Context, s *scanned) (string, error) {
	if err := s.reset(ctx, ""); err != nil {
		return "", err
	}
	tree, err := s.git(ctx, nil, "write-tree")
	if err != nil {
		return "", err
	}
	return r.commitTree(ctx, newCommit{tree: strings.TrimSpace(tree), message: "muster: nothing committed", timeless: true})
}

// unfinished lists the files of a git directory that name commits to which no ref may lead.
var unfinished = []string{
	"MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "MERGE_AUTOSTASH",
	"rebase-merge/orig-head", "rebase-apply/orig-head", "rebase-merge/autostash", "rebase-apply/autostash",
}

// unfinishedCommits returns the commits that only an unfinished operation of a worktree, or a ref of its own, refers
// to.
func (r *Reader) unfinishedCommits(ctx context.Context, c checkout) []string {
	var found []string
	for _, name := range unfinished {
		if b, err := readSmall(filepath.Join(c.gitDir, name)); err == nil {
			found = append(found, strings.Fields(string(b))...)
		}
	}
	for _, kind := range []string{"bisect", "worktree", "rewritten"} { // git never packs the refs of one worktree
		found = append(found, looseRefs(filepath.Join(c.gitDir, "refs", kind))...)
	}
	var commits []string
	for _, hash := range found {
		if !isHash(hash) {
			continue
		}
		if _, err := r.git(ctx, call{args: []string{"cat-file", "-e", hash + "^{commit}"}}); err == nil {
			commits = append(commits, hash)
		}
	}
	return commits
}

// maxLoose bounds how many refs of one worktree are read.
const maxLoose = 1000

// looseRefs returns the contents of the refs below a directory.
func looseRefs(dir string) []string {
	var found []string
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || len(found) == maxLoose {
			return fs.SkipAll
		}
		if d.Type().IsRegular() {
			if b, err := readSmall(name); err == nil {
				found = append(found, strings.TrimSpace(string(b)))
			}
		}
		return nil
	})
	return found
}

// newCommit describes a commit that muster makes.
type newCommit struct {
	tree     string
	parents  []string
	message  string
	timeless bool // dated 1970, so that the same content is the same commit
}

func (r *Reader) commitTree(ctx context.Context, n newCommit) (string, error) {
	args := []string{"commit-tree", n.tree, "-F", "-"}
	for _, p := range n.parents {
		args = append(args, "-p", p)
	}
	message := strings.TrimRight(n.message, "\n")
	if message == "" {
		message = "muster: work"
	}
	c := call{args: args, stdin: message + "\n"}
	if n.timeless {
		c.env = []string{"GIT_AUTHOR_DATE=@0 +0000", "GIT_COMMITTER_DATE=@0 +0000"}
	}
	commit, err := r.line(ctx, c)
	if err != nil {
		return "", fmt.Errorf("commit: %w", err)
	}
	return commit, nil
}

// setRef moves a ref. old is its expected value: "" is any value, zeros mean that it must not exist.
func (r *Repo) setRef(ctx context.Context, lock *os.File, ref, commit, old string) error {
	if err := r.checkLog(ref); err != nil {
		return err
	}
	args := []string{"update-ref", "-m", "muster", ref, commit}
	if old != "" {
		args = append(args, old)
	}
	if err := r.change(ctx, call{args: args, lock: lock}, false); err != nil {
		return fmt.Errorf("set %s: %w", ref, err)
	}
	return nil
}

// description is a parsed commit.
type description struct {
	commit, tree string
	parents      []string
	message      string
}

// described reads the commit of a ref. The description is empty if there is none.
func (r *Reader) described(ctx context.Context, ref string) (description, error) {
	out, err := r.git(ctx, call{args: []string{
		"log", "-1", "--no-show-signature", "--no-color", "--format=%H%x00%T%x00%P%x00%B", "--end-of-options", ref, "--",
	}})
	if exited(err, 128) {
		return description{}, nil
	}
	if err != nil {
		return description{}, fmt.Errorf("read %s: %w", ref, err)
	}
	f := strings.SplitN(out, "\x00", 4)
	if len(f) != 4 {
		return description{}, fmt.Errorf("read %s: unexpected %q", ref, out)
	}
	return description{commit: f[0], tree: f[1], parents: strings.Fields(f[2]), message: f[3]}, nil
}

// trailer returns the rest of the first line of the message that starts with name.
func (d description) trailer(name string) string {
	for l := range strings.Lines(d.message) {
		if v, ok := strings.CutPrefix(strings.TrimSuffix(l, "\n"), name); ok {
			return v
		}
	}
	return ""
}

// DropRefs removes the private ref prefix and all refs below it. The objects stay until git's own gc.
func (r *Repo) DropRefs(ctx context.Context, prefix string) error {
	prefix = strings.TrimSuffix(prefix, "/")
	if err := privateRef(prefix); err != nil {
		return err
	}
	return r.dropRefs(ctx, prefix)
}

// OwnBranches is the prefix of the branches that muster makes.
const OwnBranches = "muster/"

// DropBranch removes a branch that muster made. A missing branch is not an error. The objects stay until git's own gc.
func (r *Repo) DropBranch(ctx context.Context, branch string) error {
	ref, err := branchRef(branch)
	if err == nil && !strings.HasPrefix(branch, OwnBranches) {
		err = fault.New(fault.Usage, "%q is not a branch below %s", branch, OwnBranches)
	}
	if err != nil {
		return err
	}
	return r.dropRefs(ctx, ref)
}

// dropRefs removes a ref and all refs below it.
func (r *Repo) dropRefs(ctx context.Context, prefix string) error {
	return r.locked(ctx, func(lock *os.File) error {
		out, err := r.git(ctx, call{args: []string{"for-each-ref", "--format=delete %(refname) %(objectname)", prefix}})
		if err != nil || out == "" {
			return err
		}
		c := call{args: []string{"update-ref", "--stdin"}, stdin: out, lock: lock}
		if err := r.change(ctx, c, false); err != nil {
			return fault.Wrap(fault.Failed, err, "drop %s", prefix)
		}
		return nil
	})
}

func parentsOf(head string) []string {
	if head == "" {
		return nil
	}
	return []string{head}
}
