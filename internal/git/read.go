package git

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/fault"
)

// CurrentBranch returns the branch of the checkout that was opened; "" if HEAD is detached.
func (r *Reader) CurrentBranch(ctx context.Context) (string, error) {
	c, err := r.inspect(ctx, r.Root)
	if err != nil {
		return "", err
	}
	return strings.TrimPrefix(c.branch, "refs/heads/"), nil
}

// Resolve returns the commit that a revision names in the checkout that was opened: HEAD and the like are that
// checkout's own. An unknown revision is a fault.Conflict whose hint names existing branches. A revision that git
// would take for a flag is a fault.Usage.
func (r *Reader) Resolve(ctx context.Context, rev string) (string, error) {
	if err := revision(rev); err != nil {
		return "", err
	}
	var commit string
	err := r.inCheckout(ctx, func(in *place) (err error) {
		commit, err = r.line(ctx, call{in: in, args: []string{"rev-parse", "-q", "--verify", "--end-of-options", rev + "^{commit}"}})
		return err
	})
	if err == nil && isHash(commit) {
		return commit, nil
	}
	if err != nil && !exited(err, 1) && !exited(err, 128) {
		return "", fmt.Errorf("resolve %s: %w", rev, err)
	}
	return "", fault.New(fault.Conflict, "there is no commit %q in %s", rev, r.Root).WithHint("%s", r.branchHint(ctx, rev))
}

// inCheckout runs fn with a place whose HEAD, reflog and the like are those of the checkout that was opened; with nil
// if it is gone.
func (r *Reader) inCheckout(ctx context.Context, fn func(in *place) error) error {
	if r.rootDir == "" || !exists(r.Root) {
		return fn(nil)
	}
	c, err := r.unread(ctx, r.rootDir, r.Root)
	if err != nil {
		return err
	}
	return r.seated(ctx, c, func(at place) error {
		for _, name := range []string{"ORIG_HEAD", "FETCH_HEAD", "MERGE_HEAD", "CHERRY_PICK_HEAD"} {
			if b, err := readSmall(filepath.Join(r.rootDir, name)); err == nil {
				if err := os.WriteFile(filepath.Join(at.gitDir, name), b, 0o600); err != nil {
					return err
				}
			}
		}
		if err := os.Symlink(filepath.Join(r.rootDir, "logs"), filepath.Join(at.gitDir, "logs")); err != nil {
			return err
		}
		return fn(&at)
	})
}

// Named reports whether rev is the name of a branch, a tag or a remote's branch. Other revisions (HEAD~1, @{u})
// depend on the checkout and on the time.
func (r *Reader) Named(ctx context.Context, rev string) (bool, error) {
	if !validRef(rev) {
		return false, nil
	}
	args := []string{"for-each-ref", "--format=%(refname)"}
	names := []string{"refs/heads/" + rev, "refs/tags/" + rev, "refs/remotes/" + rev, rev}
	out, err := r.git(ctx, call{args: append(args, names...)})
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", rev, err)
	}
	for name := range strings.Lines(out) {
		if slices.Contains(names, strings.TrimSpace(name)) {
			return true, nil
		}
	}
	return false, nil
}

// branchHint returns a hint with the branches that a person who wrote rev may have meant.
func (r *Reader) branchHint(ctx context.Context, rev string) string {
	const most = 5
	out, err := r.git(ctx, call{args: []string{
		"for-each-ref", "--count=200", "--sort=-committerdate", "--format=%(refname:short)", "refs/heads", "refs/remotes",
	}})
	if err != nil {
		return "See git branch --all."
	}
	var near, rest []string
	for name := range strings.Lines(out) {
		name = strings.TrimSpace(name)
		if strings.Contains(name, rev) || strings.Contains(rev, filepath.Base(name)) {
			near = append(near, name)
		} else {
			rest = append(rest, name)
		}
	}
	names := append(near, rest...)
	return "Take one of these: " + strings.Join(names[:min(most, len(names))], ", ")
}

// Unsaved is what removing a worktree and its branch would lose.
type Unsaved struct {
	Dirty     bool // tracked files differ from HEAD, in the index or in the work tree
	Untracked int  // files that are neither tracked nor ignored; a nested repository counts as one
	Unpushed  int  // commits that no other branch, tag or remote-tracking branch has
}

// Any reports whether anything would be lost.
func (u Unsaved) Any() bool { return u.Dirty || u.Untracked > 0 || u.Unpushed > 0 }

// Uncommitted returns what the checkout that was opened has and its last commit does not have.
func (r *Reader) Uncommitted(ctx context.Context) (Unsaved, error) {
	c, err := r.inspect(ctx, r.Root)
	if err != nil {
		return Unsaved{}, err
	}
	return r.uncommitted(ctx, c)
}

// Unsaved returns what would be lost. Commits of a published branch are safe and do not count; commits on a detached
// HEAD do. A missing worktree or branch loses nothing.
func (r *Reader) Unsaved(ctx context.Context, worktree, branch, base string, published bool) (Unsaved, error) {
	var u Unsaved
	ref, err := branchRef(branch)
	if err != nil {
		return u, err
	}
	tips := []string{}
	c, err := r.inspect(ctx, worktree)
	switch {
	case err == nil:
		if u, err = r.uncommitted(ctx, c); err != nil {
			return u, err
		}
		if c.head != "" && (c.branch != ref || !published) {
			tips = append(tips, c.head)
		}
	case !fault.Is(err, fault.NotFound):
		return u, err
	}
	if tip, err := r.line(ctx, call{args: []string{"rev-parse", "-q", "--verify", ref + "^{commit}"}}); err == nil && !published {
		tips = append(tips, tip)
	} else if err != nil && !exited(err, 1) {
		return u, fmt.Errorf("read branch %s: %w", branch, err)
	}
	if len(tips) == 0 {
		return u, nil
	}
	args := append([]string{"rev-list", "--count"}, tips...)
	args = append(args, "--not")
	if !published {
		args = append(args, "--exclude="+branch)
	}
	args = append(args, "--branches", "--tags", "--remotes")
	if base != "" {
		if err := revision(base); err != nil {
			return u, err
		}
		args = append(args, base)
	}
	n, err := r.line(ctx, call{args: args})
	if err != nil {
		return u, fmt.Errorf("count commits of %s: %w", branch, err)
	}
	u.Unpushed, err = strconv.Atoi(n)
	return u, err
}

// uncommitted counts what is not in HEAD. Files that Copy brought are not work and do not count.
func (r *Reader) uncommitted(ctx context.Context, c checkout) (Unsaved, error) {
	var u Unsaved
	var out string
	err := r.seated(ctx, c, func(at place) (err error) {
		// git would start another git in each submodule, which reads the configuration there.
		out, err = r.git(ctx, call{in: &at, long: true, args: []string{
			"status", "--porcelain=v2", "-z", "--untracked-files=all", "--ignore-submodules=dirty", "--no-renames",
		}})
		if err == nil {
			u.Dirty, err = r.dirtyModules(ctx, at)
		}
		return err
	})
	if err != nil {
		return u, fmt.Errorf("status of %s: %w", c.workTree, err)
	}
	copied, err := copiedFiles(c.gitDir)
	if err != nil {
		return u, err
	}
	for _, entry := range fields(out) {
		path, untracked := strings.CutPrefix(entry, "? ")
		switch {
		case !untracked:
			u.Dirty = true
		default:
			if note, ok := copied[path]; !ok || !note.unchanged(filepath.Join(c.workTree, path)) {
				u.Untracked++
			}
		}
	}
	return u, nil
}

// DiffOptions selects the format of a Diff.
type DiffOptions struct {
	Stat  bool // a summary per file instead of the changes
	Color bool // with terminal colours
}

// Diff writes the changes from the revision base to target. A target that is an absolute path is a worktree,
// including its uncommitted and untracked files; any other target is a revision.
func (r *Reader) Diff(ctx context.Context, w io.Writer, base, target string, o DiffOptions) error {
	from, err := r.Resolve(ctx, base)
	if err != nil {
		return err
	}
	var to string
	if filepath.IsAbs(target) {
		to, err = r.Tree(ctx, target)
	} else {
		to, err = r.Resolve(ctx, target)
	}
	if err != nil {
		return err
	}
	// diff-tree ignores the user's settings (diff.noprefix, diff.context …), so that git apply accepts the output.
	args := []string{"diff-tree", "-r", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none", "-M", "--color=never"}
	if o.Color {
		args[len(args)-1] = "--color=always"
	}
	if o.Stat {
		args = append(args, "--stat")
	} else {
		args = append(args, "-p", "--binary", "--full-index")
	}
	if _, err := r.git(ctx, call{args: append(args, from, to, "--"), stdout: w, long: true}); err != nil {
		return fmt.Errorf("show changes: %w", err)
	}
	return nil
}

// ChangedFiles returns the paths in which two revisions or trees differ, in the order of git. A renamed file counts with both names.
func (r *Reader) ChangedFiles(ctx context.Context, base, target string) ([]string, error) {
	for _, rev := range []string{base, target} {
		if err := revision(rev); err != nil {
			return nil, err
		}
	}
	changes, err := r.rawDiff(ctx, base, target)
	if err != nil {
		return nil, fmt.Errorf("list changed files: %w", err)
	}
	out := make([]string, len(changes))
	for i, c := range changes {
		out[i] = c.path
	}
	return out, nil
}

// TreeSize returns the size of all files of a revision, in bytes.
func (r *Reader) TreeSize(ctx context.Context, rev string) (uint64, error) {
	commit, err := r.Resolve(ctx, rev)
	if err != nil {
		return 0, err
	}
	out, err := r.git(ctx, call{args: []string{"ls-tree", "-r", "-l", "-z", commit}, long: true})
	if err != nil {
		return 0, fmt.Errorf("list the files of %s: %w", rev, err)
	}
	size := uint64(0)
	for _, entry := range fields(out) { // mode, type, object, size, tab, path
		words := strings.Fields(entry)
		if len(words) < 4 {
			return 0, fmt.Errorf("git ls-tree: unexpected %q", entry)
		}
		if n, err := strconv.ParseUint(words[3], 10, 64); err == nil { // a submodule has "-"
			size += n
		}
	}
	return size, nil
}

// FileChange is the number of lines that a file has gained and lost. Both are 0 for a file that is no text.
type FileChange struct {
	Path           string
	Added, Removed int
	// What OwnChanges knows of the file, too: whether it is new, or gone, and whether a new file has the content of one that is gone.
	New, Gone, Moved bool
}

// ChangedLines returns the files in which two revisions or trees differ, in the order of git, with the numbers of changed lines. A
// renamed file counts as a new and a removed one.
func (r *Reader) ChangedLines(ctx context.Context, base, target string) ([]FileChange, error) {
	for _, rev := range []string{base, target} {
		if err := revision(rev); err != nil {
			return nil, err
		}
	}
	out, err := r.git(ctx, call{args: []string{
		"diff-tree", "-r", "-z", "--numstat", "--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none", "--end-of-options", base, target,
	}, long: true})
	if err != nil {
		return nil, fmt.Errorf("count changed lines: %w", err)
	}
	var all []FileChange
	for _, line := range fields(out) {
		parts := strings.SplitN(line, "\t", 3)
		if len(parts) != 3 {
			return nil, fmt.Errorf("git diff-tree --numstat: unexpected %q", line)
		}
		c := FileChange{Path: parts[2]}
		if parts[0] != "-" { // git writes "-" for a file that is no text
			if c.Added, err = strconv.Atoi(parts[0]); err != nil {
				return nil, fmt.Errorf("git diff-tree --numstat: %w", err)
			}
			if c.Removed, err = strconv.Atoi(parts[1]); err != nil {
				return nil, fmt.Errorf("git diff-tree --numstat: %w", err)
			}
		}
		all = append(all, c)
	}
	return all, nil
}

// Commit is one commit as lists show it.
type Commit struct {
	Hash, Subject, Author string
	Time                  time.Time // of authorship
}

// Log lists the commits of a branch (or other revision) that base does not have, newest first.
func (r *Reader) Log(ctx context.Context, base, branch string) ([]Commit, error) {
	for _, rev := range []string{base, branch} {
		if err := revision(rev); err != nil {
			return nil, err
		}
	}
	out, err := r.git(ctx, call{args: []string{
		"log", "-z", "--no-color", "--no-show-signature", "--format=%H%x00%s%x00%an%x00%at",
		"--end-of-options", branch, "^" + base, "--",
	}})
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", branch, err)
	}
	var commits []Commit
	parts := fields(out)
	for ; len(parts) >= 4; parts = parts[4:] {
		at, err := unixTime(parts[3])
		if err != nil {
			return nil, fmt.Errorf("log of %s: %w", branch, err)
		}
		commits = append(commits, Commit{Hash: parts[0], Subject: parts[1], Author: parts[2], Time: at})
	}
	return commits, nil
}

// KeepRef is one kept state of a task's work.
type KeepRef struct {
	Ref, Commit string
	Time        time.Time
}

// KeepRefs returns the kept states of a task, oldest first.
func (r *Reader) KeepRefs(ctx context.Context, task string) ([]KeepRef, error) {
	dir, err := keepDir(task)
	if err != nil {
		return nil, err
	}
	out, err := r.git(ctx, call{args: []string{
		"for-each-ref", "--sort=version:refname", "--format=%(refname) %(objectname) %(committerdate:unix)", dir,
	}})
	if err != nil {
		return nil, fmt.Errorf("list kept work of %s: %w", task, err)
	}
	var refs []KeepRef
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) != 3 {
			return nil, fmt.Errorf("list kept work of %s: unexpected %q", task, line)
		}
		at, err := unixTime(f[2])
		if err != nil {
			return nil, fmt.Errorf("list kept work of %s: %w", task, err)
		}
		refs = append(refs, KeepRef{Ref: f[0], Commit: f[1], Time: at})
	}
	return refs, nil
}

func unixTime(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	return time.Unix(n, 0).UTC(), nil
}
