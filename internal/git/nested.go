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

// A repository inside a worktree is a submodule, or one that the agent made or cloned there. Its files are part of
// the kept tree or of a commit of their own. Its history becomes parents of that commit if all of it is available.
// Otherwise (a shallow or partial clone, objects stored elsewhere, a damaged repository, another hash function) a
// commit with such parents would break gc and fsck of the person's repository, so its git directory is kept as
// ordinary files.

// trailerGitDir names, in the commit of a nested repository, the commit that holds its git directory as files.
const trailerGitDir = "Git-Directory: "

// errNotWhole means that a history is incomplete or cannot be fetched into the repository.
var errNotWhole = errors.New("the history is not whole")

// keepInside adds a parent for each repository, and for each worktree of this repository, inside the worktree. A
// submodule whose state its remotes have completely needs none.
func (r *Reader) keepInside(ctx context.Context, s *scanned, kept *newCommit) error {
	seen := map[string]bool{}
	for _, dir := range s.modules {
		m, err := r.module(ctx, s.tmp, filepath.Join(s.at.workTree, dir))
		seen[dir] = err == nil && m.own == "" && len(m.dirty) == 0
	}
	for dirs := slices.Concat(s.nested, s.modules, s.loose, s.overlaid(), s.found); len(dirs) > 0; dirs = s.found {
		s.found = nil
		for _, dir := range dirs {
			if seen[dir] {
				continue
			}
			seen[dir] = true
			commit, err := r.keepNested(ctx, s, dir)
			if err != nil {
				return fmt.Errorf("repository %s inside: %w", dir, err)
			}
			kept.parents = append(kept.parents, commit)
			kept.message += trailerNested + commit + " " + strconv.Quote(dir) + "\n"
		}
	}
	if err := r.keepForeign(ctx, s, kept); err != nil {
		return err
	}
	return r.keepLinked(ctx, s, kept)
}

// keepForeign adds a parent for a repository that the agent made in place of the worktree's own .git.
func (r *Reader) keepForeign(ctx context.Context, s *scanned, kept *newCommit) error {
	if gitDir := gitDirOf(s.at.workTree); gitDir == "" || r.isOurs(s.at.workTree) {
		return nil
	}
	commit, err := r.keepHistory(ctx, s, ".", kept.tree)
	if err != nil {
		return err
	}
	kept.parents = append(kept.parents, commit)
	kept.message += trailerNested + commit + " " + strconv.Quote(".") + "\n"
	return nil
}

// overlaid returns the repositories whose files the worktree tracks. Git does not list them as repositories.
func (s *scanned) overlaid() []string {
	seen, found := map[string]bool{}, []string(nil)
	for _, dir := range s.dirs {
		for ok := true; ok && !seen[dir]; dir, ok = parent(dir) {
			seen[dir] = true
			if path := filepath.Join(s.at.workTree, dir); exists(filepath.Join(path, ".git")) && gitDirOf(path) != "" && !s.r.isOurs(path) {
				found = append(found, dir)
			}
		}
	}
	slices.Sort(found)
	return found
}

// keepLinked adds a parent for each worktree of this repository inside the worktree: its state, as Keep takes it.
func (r *Reader) keepLinked(ctx context.Context, s *scanned, kept *newCommit) error {
	registered, err := r.linkedInside(s.at.workTree)
	if err != nil {
		return err
	}
	var dirs []string
	for dir := range registered {
		if exists(filepath.Join(s.at.workTree, dir, ".git")) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range s.linked {
		if registered[dir] == "" { // the copy of a worktree
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	for i, dir := range dirs {
		if slices.ContainsFunc(dirs[:i], func(above string) bool { return strings.HasPrefix(dir, above+"/") }) {
			continue // kept with the worktree around it
		}
		var state newCommit
		if registered[dir] == "" {
			state.message = "muster: copy of a worktree " + strconv.Quote(dir)
			state.tree, err = s.nestedTree(ctx, dir)
		} else {
			var c checkout
			if c, err = r.inspect(ctx, filepath.Join(s.at.workTree, dir)); err == nil {
				state, err = r.keepable(ctx, c)
			}
		}
		if err != nil {
			return fmt.Errorf("worktree %s inside: %w", dir, err)
		}
		state.timeless = true
		commit, err := r.commitTree(ctx, state)
		if err != nil {
			return err
		}
		kept.parents = append(kept.parents, commit)
		kept.message += trailerLinked + commit + " " + strconv.Quote(dir) + "\n"
	}
	return nil
}

// linkedInside returns the worktrees that are registered below a directory, whether they exist or not: administrative
// directories by path relative to top.
func (r *Reader) linkedInside(top string) (map[string]string, error) {
	all := filepath.Join(r.Common, "worktrees")
	entries, err := os.ReadDir(all)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fault.Failed, err, "list the worktrees")
	}
	found := map[string]string{}
	for _, e := range entries {
		admin := filepath.Join(all, e.Name())
		dotGit := registeredAt(admin)
		if dotGit == "" {
			continue
		}
		if dir := realPath(filepath.Dir(dotGit)); inside(top, dir) {
			rel, err := filepath.Rel(top, dir)
			if err != nil {
				return nil, err
			}
			found[rel] = admin
		}
	}
	return found, nil
}

// module is the state of a submodule.
type module struct {
	checkout
	dirty []string // paths that differ from its commit, with those of submodules within
	own   string   // a commit that none of its remote-tracking branches has; "" if there is none
}

// module reads the state of the submodule at path. Settings of the repository or the submodule that hide changes
// (ignore = all, assume-unchanged) are ignored.
func (r *Reader) module(ctx context.Context, tmp, path string) (module, error) {
	m := module{}
	var err error
	if m.checkout, err = r.look(ctx, tmp, path); err != nil {
		return m, err
	}
	s, err := r.scan(ctx, m.checkout)
	if err != nil {
		return m, err
	}
	defer s.close()
	if err := s.unhide(ctx); err != nil {
		return m, err
	}
	out, err := s.git(ctx, nil, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--ignore-submodules=dirty", "--no-renames")
	if err != nil {
		return m, err
	}
	for _, entry := range fields(out) {
		if len(entry) > 3 {
			m.dirty = append(m.dirty, entry[3:])
		}
	}
	m.dirty = append(m.dirty, s.loose...)
	tips, err := r.tipsOf(ctx, m.checkout)
	if err != nil {
		return m, err
	}
	if len(tips) > 0 {
		m.own, err = r.line(ctx, m.inView(append(append([]string{"rev-list", "--max-count=1"}, tips...), "--not", "--remotes")...))
		if err != nil {
			return m, err
		}
	}
	for _, dir := range s.modules {
		deeper, err := r.module(ctx, s.tmp, filepath.Join(path, dir))
		if err != nil {
			return m, err
		}
		for _, p := range deeper.dirty {
			m.dirty = append(m.dirty, dir+"/"+p)
		}
		if m.own == "" {
			m.own = deeper.own
		}
	}
	return m, nil
}

// keepNested commits the files of a repository inside the worktree on top of its history.
func (r *Reader) keepNested(ctx context.Context, s *scanned, dir string) (string, error) {
	tree, err := s.nestedTree(ctx, dir)
	if err != nil {
		return "", err
	}
	return r.keepHistory(ctx, s, dir, tree)
}

// keepHistory commits a tree on top of the history of the repository in dir.
func (r *Reader) keepHistory(ctx context.Context, s *scanned, dir, tree string) (string, error) {
	var err error
	n := newCommit{tree: tree, message: "muster: repository " + strconv.Quote(dir), timeless: true}
	n.parents, err = r.takeHistory(ctx, s, filepath.Join(s.at.workTree, dir))
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return "", err
	default:
		commit, err := r.keepGitDir(ctx, s, dir)
		if err != nil {
			return "", err
		}
		if commit != "" {
			n.parents = []string{commit}
			n.message += "\n\n" + trailerGitDir + commit
		}
	}
	return r.commitTree(ctx, n)
}

// takeHistory fetches the commits that only the repository at path has and returns the commits that lead to all of
// them. It fetches nothing if the result would be incomplete.
func (r *Reader) takeHistory(ctx context.Context, s *scanned, path string) ([]string, error) {
	c, err := r.look(ctx, s.tmp, path)
	if err != nil {
		return nil, err
	}
	if exists(filepath.Join(c.common, "shallow")) {
		return nil, errNotWhole
	}
	if promised, _ := filepath.Glob(filepath.Join(escapeGlob(c.common), "objects", "pack", "*.promisor")); promised != nil {
		return nil, errNotWhole // reading it would use the network
	}
	tips, err := r.tipsOf(ctx, c)
	if err != nil || len(tips) == 0 {
		return nil, err
	}
	trial, err := os.MkdirTemp(filepath.Join(r.Common, "objects"), "tmp_objdir-muster-") // git removes old ones by this name
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(trial) //nolint:errcheck // otherwise git gc removes it
	env := append(slices.Clone(s.env),
		"GIT_OBJECT_DIRECTORY="+trial, "GIT_ALTERNATE_OBJECT_DIRECTORIES="+quoteAlternate(filepath.Join(r.Common, "objects")))
	args := append([]string{"fetch", "-q", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", c.view}, tips...)
	if _, err := r.git(ctx, call{args: args, env: env, long: true}); err != nil {
		return nil, err
	}
	if err := r.whole(ctx, env, tips...); err != nil {
		return nil, err
	}
	_, err = r.git(ctx, call{args: args, env: s.env, long: true})
	return tips, err
}

// whole returns an error unless all objects that commits lead to, and that no branch, tag or remote has, exist.
func (r *Reader) whole(ctx context.Context, env []string, commits ...string) error {
	args := append([]string{"rev-list", "--objects", "--quiet", "--missing=allow-promisor"}, commits...)
	args = append(args, "--not", "--branches", "--tags", "--remotes")
	if _, err := r.git(ctx, call{args: args, env: env, long: true}); err != nil {
		return fmt.Errorf("%w: %w", errNotWhole, err)
	}
	return nil
}

// tipsOf returns the commits that lead to everything that only this repository has: its refs except those of remotes,
// its HEAD, and every entry of its stash.
func (r *Reader) tipsOf(ctx context.Context, c checkout) ([]string, error) {
	out, err := r.git(ctx, c.inView("for-each-ref", "--format=%(refname) %(objecttype) %(objectname) %(*objecttype) %(*objectname)"))
	if err != nil {
		return nil, err
	}
	var tips []string
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		switch {
		case len(f) < 3 || strings.HasPrefix(f[0], "refs/remotes/"):
		case f[1] == "commit":
			tips = append(tips, f[2])
		case len(f) == 5 && f[3] == "commit":
			tips = append(tips, f[4])
		}
	}
	if strings.Contains(out, "refs/stash ") {
		stashes, err := r.git(ctx, c.inView("reflog", "show", "--format=%H", "refs/stash", "--"))
		if err != nil {
			return nil, err
		}
		tips = append(tips, strings.Fields(stashes)...)
	}
	if c.head != "" {
		tips = append(tips, c.head)
	}
	slices.Sort(tips)
	tips = slices.Compact(tips)
	if len(tips) < 2 {
		return tips, nil
	}
	tops, err := r.git(ctx, c.inView(append([]string{"merge-base", "--independent"}, tips...)...))
	if err != nil {
		return nil, err
	}
	tips = strings.Fields(tops)
	slices.Sort(tips)
	return tips, nil
}

// keepGitDir commits the files of a nested repository's git directory. It returns "" if the git directory is outside
// of the worktree, so that it survives the removal.
func (r *Reader) keepGitDir(ctx context.Context, s *scanned, dir string) (string, error) {
	gitDir := gitDirOf(filepath.Join(s.at.workTree, dir))
	if gitDir == "" || !inside(s.at.workTree, gitDir) && (s.admin == "" || !inside(realPath(s.admin), gitDir)) {
		return "", nil
	}
	var paths []string
	err := filepath.WalkDir(gitDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(gitDir, path)
		if err != nil || strings.Contains(rel, "\n") || hasDotGit(rel) || strings.HasSuffix(rel, ".lock") {
			return err // git uses such names only for locks, and a tree can't hold .git
		}
		if d.Type().IsRegular() {
			paths = append(paths, rel)
		}
		return nil
	})
	if err != nil {
		return "", fault.Wrap(fault.Failed, err, "read %s", gitDir)
	}
	at := place{gitDir: s.at.gitDir, workTree: gitDir, view: s.at.view, index: filepath.Join(s.tmp, "git-directory")}
	defer os.Remove(at.index) //nolint:errcheck // goes with the directory
	hashes, err := r.git(ctx, call{
		in: &at, env: s.env, long: true, stdin: strings.Join(paths, "\n") + "\n",
		args: []string{"hash-object", "-w", "--no-filters", "--stdin-paths"},
	})
	if err != nil {
		return "", err
	}
	entries := ""
	names := strings.Fields(hashes)
	if len(names) != len(paths) {
		return "", fmt.Errorf("git hash-object: %d hashes for %d files", len(names), len(paths))
	}
	for i, path := range paths {
		entries += "100644 " + names[i] + "\t" + path + "\x00"
	}
	info := call{in: &at, env: s.env, stdin: entries, args: []string{"update-index", "-z", "--index-info"}, long: true}
	if _, err := r.git(ctx, info); err != nil {
		return "", err
	}
	tree, err := r.line(ctx, call{in: &at, env: s.env, args: []string{"write-tree"}, long: true})
	if err != nil {
		return "", err
	}
	return r.commitTree(ctx, newCommit{tree: tree, message: "muster: git directory of " + strconv.Quote(dir), timeless: true})
}

// restoreGitDir writes the git directory of a nested repository that was kept as files. An existing one stays.
func (r *Repo) restoreGitDir(ctx context.Context, at *place, dir, commit string) error {
	d, err := r.described(ctx, commit)
	if err != nil {
		return err
	}
	kept, path := d.trailer(trailerGitDir), filepath.Join(at.workTree, dir, ".git")
	if kept == "" || exists(path) {
		return nil
	}
	if st, err := os.Lstat(filepath.Dir(path)); err != nil || !st.IsDir() {
		return nil //nolint:nilerr // its files are not there either
	}
	// Empty directories are in no tree, but git does not recognise a repository without these.
	for _, sub := range []string{"objects", "refs"} {
		if err := os.MkdirAll(filepath.Join(path, sub), 0o777); err != nil { //nolint:gosec // as git would make it
			return fault.Wrap(fault.Failed, err, "restore %s", path)
		}
	}
	return r.layDown(ctx, at, path, kept)
}

// gitDirOf returns the git directory of the repository at path, found by its .git only; "" if it has none.
func gitDirOf(path string) string {
	dotGit := filepath.Join(path, ".git")
	st, err := os.Stat(dotGit)
	if err != nil {
		return ""
	}
	if st.IsDir() {
		return realPath(dotGit)
	}
	b, err := readSmall(dotGit)
	to, ok := strings.CutPrefix(strings.TrimRight(string(b), "\n"), "gitdir: ")
	if err != nil || !ok {
		return ""
	}
	if !filepath.IsAbs(to) {
		to = filepath.Join(path, to)
	}
	if st, err := os.Stat(to); err != nil || !st.IsDir() {
		return ""
	}
	return realPath(to)
}

// hasDotGit reports whether a component of the path is .git in any case, as case-insensitive file systems see it.
func hasDotGit(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "/"), func(p string) bool { return strings.EqualFold(p, ".git") })
}

// quoteAlternate quotes a path for git's list of paths that is separated by colons.
func quoteAlternate(path string) string {
	if !strings.ContainsAny(path, ":\"") {
		return path
	}
	return `"` + escapeQuoted.Replace(path) + `"`
}
