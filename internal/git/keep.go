package git

import (
	"context"
	"fmt"
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

// Snapshot commits everything that is not ignored to a private ref (below refs/muster/), without touching the
// worktree, its index or its branch. If the ref holds this very state already, that commit is returned.
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

// Keep puts everything in a worktree that is not ignored under refs/muster/keep/<task>/<n>, n one more than the
// newest, and returns that ref; a state that the newest holds already is not kept again.
//
// The tree of the kept commit is the work tree. Its parents are: HEAD; if something is staged, a commit of the index;
// one commit for each repository inside the worktree, on top of that repository's own branches; the commits that an
// unfinished merge or rebase still needs. Restore brings the first two back as they were.
func (r *Repo) Keep(ctx context.Context, worktree, task string) (string, error) {
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
	kept, err := r.keepable(ctx, c)
	if err != nil {
		return "", fmt.Errorf("keep the work in %s: %w", worktree, err)
	}
	var ref string
	err = r.locked(ctx, func(lock *os.File) error {
		refs, err := r.KeepRefs(ctx, task)
		if err != nil {
			return err
		}
		n := 1
		if len(refs) > 0 {
			last := refs[len(refs)-1].Ref
			old, err := r.described(ctx, last)
			if err != nil {
				return err
			}
			if old.tree == kept.tree && slices.Equal(old.parents, kept.parents) {
				ref = last
				return nil
			}
			if n, err = strconv.Atoi(strings.TrimPrefix(last, dir)); err != nil {
				return fmt.Errorf("unexpected ref %s: %w", last, err)
			}
			n++
		}
		commit, err := r.commitTree(ctx, kept)
		if err != nil {
			return err
		}
		ref = dir + strconv.Itoa(n)
		return r.setRef(ctx, lock, ref, commit, strings.Repeat("0", len(commit)))
	})
	if err != nil {
		return "", fmt.Errorf("keep the work in %s: %w", worktree, err)
	}
	return ref, nil
}

// Trailers of a kept commit's message, by which Restore finds its way.
const (
	trailerIndex  = "Index: "
	trailerBranch = "Branch: "
	trailerNested = "Repository: "
)

// nestedTrailer reads the line of the message that says which commit holds which repository inside the worktree.
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
func (r *Repo) keepable(ctx context.Context, c checkout) (newCommit, error) {
	kept := newCommit{message: "muster: work kept from " + strconv.Quote(c.workTree) + "\n\n"}
	if c.branch != "" {
		kept.message += trailerBranch + c.branch + "\n"
	}
	s, err := r.scan(ctx, c)
	if err != nil {
		return kept, err
	}
	defer s.close()
	// What follows may be deleted next, so it shall be on the disk when we say that it is kept.
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
	for _, dir := range slices.Concat(s.nested, s.modules) {
		commit, err := r.keepNested(ctx, s, dir)
		if err != nil {
			return kept, fmt.Errorf("repository %s inside: %w", dir, err)
		}
		kept.parents = append(kept.parents, commit)
		kept.message += trailerNested + commit + " " + strconv.Quote(dir) + "\n"
	}
	for _, commit := range r.unfinishedCommits(ctx, c) {
		if !slices.Contains(kept.parents, commit) {
			kept.parents = append(kept.parents, commit)
		}
	}
	return kept, nil
}

// rootCommit stands for the HEAD that a branch without commits does not have.
func (r *Repo) rootCommit(ctx context.Context, s *scanned) (string, error) {
	if err := s.reset(ctx, ""); err != nil {
		return "", err
	}
	tree, err := s.git(ctx, nil, "write-tree")
	if err != nil {
		return "", err
	}
	return r.commitTree(ctx, newCommit{tree: strings.TrimSpace(tree), message: "muster: nothing committed", timeless: true})
}

// keepNested commits the files of a repository inside the worktree on top of all its branches, fetched into ours.
func (r *Repo) keepNested(ctx context.Context, s *scanned, dir string) (string, error) {
	tree, err := s.nestedTree(ctx, dir)
	if err != nil {
		return "", err
	}
	path := filepath.Join(s.at.workTree, dir)
	out, err := r.git(ctx, call{dir: path, args: []string{"for-each-ref", "--format=%(objectname)", "refs/heads", "refs/stash"}})
	if err != nil {
		return "", err
	}
	tips := strings.Fields(out)
	if head, err := r.line(ctx, call{dir: path, args: []string{"rev-parse", "-q", "--verify", "HEAD^{commit}"}}); err == nil {
		tips = append(tips, head)
	}
	slices.Sort(tips)
	tips = slices.Compact(tips)
	if len(tips) > 0 {
		args := append([]string{"fetch", "-q", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", path}, tips...)
		if _, err := r.git(ctx, call{args: args, timeout: writeTimeout}); err != nil {
			return "", err
		}
	}
	return r.commitTree(ctx, newCommit{
		tree: tree, parents: tips, message: "muster: repository " + strconv.Quote(dir), timeless: true,
	})
}

// unfinishedCommits are those that only an unfinished operation of a worktree refers to.
func (r *Repo) unfinishedCommits(ctx context.Context, c checkout) []string {
	var commits []string
	for _, name := range []string{"MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge/orig-head", "rebase-apply/orig-head"} {
		b, err := os.ReadFile(filepath.Join(c.gitDir, name))
		if err != nil {
			continue
		}
		for _, hash := range strings.Fields(string(b)) {
			if !isHash(hash) {
				continue
			}
			if _, err := r.git(ctx, call{args: []string{"cat-file", "-e", hash + "^{commit}"}}); err == nil {
				commits = append(commits, hash)
			}
		}
	}
	return commits
}

// newCommit is a commit to be made by muster.
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

// setRef moves a ref; old is what it must be now: "" for anything, zeros for absent.
func (r *Repo) setRef(ctx context.Context, lock *os.File, ref, commit, old string) error {
	args := []string{"update-ref", "-m", "muster", ref, commit}
	if old != "" {
		args = append(args, old)
	}
	if err := r.change(ctx, call{args: args, lock: lock}, false); err != nil {
		return fmt.Errorf("set %s: %w", ref, err)
	}
	return nil
}

// description is a commit taken apart.
type description struct {
	commit, tree string
	parents      []string
	message      string
}

// described reads the commit of a ref; an empty description if there is none.
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

// trailer is the value of a line of the message that begins with a name.
func (d description) trailer(name string) string {
	for l := range strings.Lines(d.message) {
		if v, ok := strings.CutPrefix(strings.TrimSuffix(l, "\n"), name); ok {
			return v
		}
	}
	return ""
}

// DropRefs removes private refs: the one called prefix, and all below it. The objects stay until git's own gc.
func (r *Repo) DropRefs(ctx context.Context, prefix string) error {
	prefix = strings.TrimSuffix(prefix, "/")
	if err := privateRef(prefix); err != nil {
		return err
	}
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
