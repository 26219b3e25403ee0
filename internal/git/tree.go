package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Tree writes everything in a worktree that is not ignored (staged, unstaged, untracked) as a tree object and returns
// its name. It does not change the worktree's own index. Files of a nested repository become ordinary files of the
// tree; git would only record a commit that others do not have. Files that Copy brought are left out unless they were
// changed or added to the index. Worktrees of this repository inside are left out.
func (r *Reader) Tree(ctx context.Context, worktree string) (string, error) {
	_, tree, err := r.tree(ctx, worktree)
	return tree, err
}

func (r *Reader) tree(ctx context.Context, worktree string) (checkout, string, error) {
	c, err := r.inspect(ctx, worktree)
	if err != nil {
		return c, "", err
	}
	s, err := r.scan(ctx, c)
	if err != nil {
		return c, "", fmt.Errorf("take the state of %s: %w", worktree, err)
	}
	defer s.close()
	tree, err := s.workTree(ctx)
	if err != nil {
		return c, "", fmt.Errorf("take the state of %s: %w", worktree, err)
	}
	return c, tree, nil
}

// scanned is a worktree with a temporary copy of its index, to take trees from.
type scanned struct {
	r     *Reader
	at    place  // its seat, with a copy of the index
	tmp   string // directory of the seat, and of views of repositories inside
	admin string // the worktree's own git directory; "" in a nested repository
	head  string // commit checked out; "" in a nested repository
	env   []string

	hidden   []string // tracked paths whose changes the index would hide
	unmerged []string // paths in conflict
	nested   []string // untracked repositories below, relative
	modules  []string // tracked ones (submodules), relative
	gitlinks []string // all paths that the index has as submodules
	loose    []string // directories of submodules that hold files but no repository, relative
	linked   []string // worktrees of this very repository below, relative
	skip     []string // untracked files that are not work
	dirs     []string // directories of tracked files, relative
	found    []string // repositories inside of nested ones, found while taking their trees
}

// scan copies the index and lists the files of the worktree.
func (r *Reader) scan(ctx context.Context, c checkout) (*scanned, error) {
	tmp, err := r.tempDir(ctx)
	if err != nil {
		return nil, err
	}
	s := &scanned{r: r, tmp: tmp, head: c.head, admin: c.gitDir, env: wholeEnv()}
	if s.at, err = c.seat(tmp); err == nil {
		err = s.fill(ctx, c)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *scanned) close() { _ = os.RemoveAll(s.tmp) } // left-overs go with the worktree

func (s *scanned) fill(ctx context.Context, c checkout) error {
	err := takeIndex(c.gitDir, s.tmp)
	if noIndex(err) {
		err = s.reset(ctx, c.headTree)
	}
	if err != nil {
		return err
	}
	if err := s.list(ctx); err != nil {
		// If git cannot read the index, start from HEAD, so that the work is not lost.
		if !exited(err, 128) {
			return err
		}
		if err := s.reset(ctx, c.headTree); err != nil {
			return err
		}
		if err := s.list(ctx); err != nil {
			return err
		}
	}
	copied, err := copiedFiles(c.gitDir)
	if err != nil {
		return err
	}
	s.skip = slices.DeleteFunc(s.skip, func(path string) bool {
		note, ok := copied[path]
		return !ok || !note.unchanged(filepath.Join(s.at.workTree, path))
	})
	return nil
}

// reset fills the temporary index from a tree. "" empties it.
func (s *scanned) reset(ctx context.Context, tree string) error {
	if err := os.Remove(s.at.index); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	arg := tree
	if arg == "" {
		arg = "--empty"
	}
	_, err := s.git(ctx, nil, "read-tree", arg)
	return err
}

// list reads the index and the work tree in one git process.
func (s *scanned) list(ctx context.Context) error {
	s.hidden, s.unmerged, s.nested, s.modules, s.gitlinks, s.loose, s.linked, s.skip, s.dirs = nil, nil, nil, nil, nil, nil, nil, nil, nil
	out, err := s.git(ctx, nil, "ls-files", "-z", "-v", "-s", "-c", "-m", "-o", "--exclude-standard")
	if err != nil {
		return err
	}
	for _, entry := range fields(out) {
		if path, ok := strings.CutPrefix(entry, "? "); ok {
			if dir, ok := strings.CutSuffix(path, "/"); ok {
				s.repository(&s.nested, dir)
			} else {
				s.skip = append(s.skip, path)
			}
			continue
		}
		// "H 100644 <hash> 0\t<path>"; a lower case letter is assume-unchanged, S is skip-worktree; C is one more
		// line for a modified file.
		info, path, ok := strings.Cut(entry, "\t")
		f := strings.Fields(info)
		if !ok || len(f) != 4 {
			return fmt.Errorf("git ls-files: unexpected %q", entry)
		}
		if f[3] != "0" && !slices.Contains(s.unmerged[max(0, len(s.unmerged)-1):], path) {
			s.unmerged = append(s.unmerged, path)
		}
		if dir, ok := parent(path); ok && (len(s.dirs) == 0 || s.dirs[len(s.dirs)-1] != dir) {
			s.dirs = append(s.dirs, dir)
		}
		switch {
		case f[0] == "C":
			if f[1] != "160000" && exists(filepath.Join(s.at.workTree, path, ".git")) {
				s.repository(&s.nested, path) // in place of a tracked file
			}
		case f[1] == "160000":
			s.gitlinks = append(s.gitlinks, path)
			if exists(filepath.Join(s.at.workTree, path, ".git")) {
				s.repository(&s.modules, path)
			} else if holdsFiles(filepath.Join(s.at.workTree, path)) {
				s.loose = append(s.loose, path)
			}
		case f[0] != strings.ToUpper(f[0]), f[0] == "S" && exists(filepath.Join(s.at.workTree, path)):
			s.hidden = append(s.hidden, path)
		}
	}
	for _, paths := range []*[]string{&s.nested, &s.modules, &s.gitlinks, &s.loose, &s.linked} { // a path in conflict is listed for each side
		slices.Sort(*paths)
		*paths = slices.Compact(*paths)
	}
	return nil
}

// repository adds a directory that has a .git to the list kind, or to linked if it is a worktree of this repository.
func (s *scanned) repository(kind *[]string, dir string) {
	if s.r.isOurs(filepath.Join(s.at.workTree, dir)) {
		kind = &s.linked
	}
	*kind = append(*kind, dir)
}

// isOurs reports whether the .git of a directory leads to this repository, as that of a linked worktree does. A
// submodule's .git leads to another repository, which may be inside ours.
func (r *Reader) isOurs(dir string) bool {
	gitDir, common := gitDirOf(dir), realPath(r.Common)
	return gitDir != "" && (gitDir == common || filepath.Dir(gitDir) == filepath.Join(common, "worktrees"))
}

// indexTree returns the tree of the index without conflicted paths. The sides of a conflict are in commits already.
func (s *scanned) indexTree(ctx context.Context) (string, error) {
	if len(s.unmerged) > 0 {
		whole := s.at.index
		s.at.index += "-merged"
		defer func() { s.at.index = whole }()
		if err := copyIndex(whole, s.at.index); err != nil {
			return "", err
		}
		if _, err := s.git(ctx, s.unmerged, "update-index", "--force-remove", "-z", "--stdin"); err != nil {
			return "", err
		}
	}
	tree, err := s.git(ctx, nil, "write-tree")
	return strings.TrimSpace(tree), err
}

// workTree adds everything to the temporary index and writes it as a tree.
func (s *scanned) workTree(ctx context.Context) (string, error) {
	if err := s.unhide(ctx); err != nil {
		return "", err
	}
	if err := s.addAll(ctx); err != nil {
		return "", err
	}
	if replaced := s.replacedModules(); replaced != nil {
		if _, err := s.git(ctx, replaced, "update-index", "--add", "--remove", "-z", "--stdin"); err != nil {
			return "", err
		}
	}
	// A repository may have replaced a tracked file, and git add -A tracks a linked worktree.
	if gone := slices.Concat(s.nested, s.linked); len(gone) > 0 {
		if _, err := s.git(ctx, gone, "update-index", "--force-remove", "-z", "--stdin"); err != nil {
			return "", err
		}
	}
	for _, dir := range s.nested {
		tree, err := s.nestedTree(ctx, dir)
		if err != nil {
			return "", fmt.Errorf("nested repository %s: %w", dir, err)
		}
		if _, err := s.git(ctx, nil, "read-tree", "--prefix="+dir+"/", tree); err != nil {
			return "", fmt.Errorf("nested repository %s: %w", dir, err)
		}
	}
	if err := s.addModules(ctx); err != nil {
		return "", err
	}
	tree, err := s.git(ctx, nil, "write-tree")
	return strings.TrimSpace(tree), err
}

// replacedModules returns the submodules of the index in whose place there is a file or nothing.
func (s *scanned) replacedModules() []string {
	var gone []string
	for _, path := range s.gitlinks {
		if st, err := os.Lstat(filepath.Join(s.at.workTree, path)); err != nil || !st.IsDir() {
			gone = append(gone, path)
		}
	}
	return gone
}

// addModules records the commit that is checked out in each submodule. With ignore = all, git add does not update it.
func (s *scanned) addModules(ctx context.Context) error {
	info := ""
	for _, dir := range s.modules {
		if c, err := s.r.look(ctx, s.tmp, filepath.Join(s.at.workTree, dir)); err == nil && len(c.head) == len(s.head) {
			info += "160000 " + c.head + "\t" + dir + "\x00"
		}
	}
	if info == "" {
		return nil
	}
	_, err := s.r.git(ctx, call{in: &s.at, args: []string{"update-index", "-z", "--index-info"}, stdin: info, env: s.env})
	return err
}

// unhide clears the flags that make git ignore changes.
func (s *scanned) unhide(ctx context.Context) error {
	if len(s.hidden) == 0 {
		return nil
	}
	for _, flag := range []string{"--no-assume-unchanged", "--no-skip-worktree"} {
		if _, err := s.git(ctx, s.hidden, "update-index", flag, "-z", "--stdin"); err != nil {
			return err
		}
	}
	return nil
}

// addAll updates the temporary index to the work tree. git fails if a running process removes a file at that moment,
// so it is tried again.
func (s *scanned) addAll(ctx context.Context) error {
	args, specs := []string{"add", "-A"}, []string(nil)
	// git would start another git in each submodule, which reads the configuration there. addModules takes their commits.
	for _, path := range slices.Concat(s.nested, s.linked, s.skip, s.gitlinks) {
		specs = append(specs, ":(top,exclude,literal)"+path)
	}
	if specs != nil {
		args = append(args, "--pathspec-from-file=-", "--pathspec-file-nul")
	}
	var err error
	for range 3 {
		_, err = s.git(ctx, specs, args...)
		if _, failed := errors.AsType[*Error](err); !failed || ctx.Err() != nil {
			break // it succeeded, or muster ended it
		}
	}
	if err != nil {
		return err
	}
	return s.filterAgain(ctx)
}

// nestedTree returns the tree of a repository below this one, with its files as ordinary files. Its own ignore files
// count.
func (s *scanned) nestedTree(ctx context.Context, dir string) (string, error) {
	n := &scanned{r: s.r, env: s.env, at: s.at}
	n.at.workTree = filepath.Join(s.at.workTree, dir)
	tmp, err := os.MkdirTemp(s.tmp, "nested-")
	if err != nil {
		return "", err
	}
	n.tmp, n.at.index = tmp, filepath.Join(tmp, "index")
	if err := n.reset(ctx, ""); err != nil {
		return "", err
	}
	if err := n.addTracked(ctx); err != nil {
		return "", err
	}
	if err := n.list(ctx); err != nil {
		return "", err
	}
	n.skip = nil
	tree, err := n.workTree(ctx)
	for _, deeper := range slices.Concat(n.nested, n.found) {
		s.found = append(s.found, dir+"/"+deeper)
	}
	return tree, err
}

// addTracked adds the files that a nested repository tracks. Some may be ignored, but they are its work.
func (s *scanned) addTracked(ctx context.Context) error {
	c, err := s.r.look(ctx, s.tmp, s.at.workTree)
	if err != nil {
		return nil //nolint:nilerr // an unreadable repository tracks nothing
	}
	var out string
	err = s.r.seated(ctx, c, func(at place) (err error) {
		out, err = s.r.git(ctx, call{in: &at, args: []string{"ls-files", "-z", "-s"}})
		return err
	})
	if err != nil {
		return nil //nolint:nilerr // as above
	}
	var paths []string
	for _, entry := range fields(out) {
		info, path, ok := strings.Cut(entry, "\t")
		if !ok || strings.HasPrefix(info, "160000 ") {
			continue
		}
		if st, err := os.Lstat(filepath.Join(s.at.workTree, path)); err == nil && !st.IsDir() {
			paths = append(paths, path)
		}
	}
	if paths == nil {
		return nil
	}
	_, err = s.git(ctx, paths, "update-index", "--add", "--remove", "-z", "--stdin")
	return err
}

// git runs git on the temporary index, with a list of paths as input.
func (s *scanned) git(ctx context.Context, paths []string, args ...string) (string, error) {
	c := call{in: &s.at, args: args, env: s.env, long: true}
	if paths != nil {
		c.stdin = strings.Join(paths, "\x00") + "\x00"
	}
	return s.r.git(ctx, c)
}

// wholeEnv disables sparse checkout and adds more settings. With a sparse checkout git ignores or refuses files
// outside of it.
func wholeEnv(more ...[2]string) []string {
	return ConfigEnv(slices.Concat(settings, [][2]string{{"core.sparseCheckout", "false"}}, more))
}

// parent returns a path without its last component. ok is false if it has only one.
func parent(path string) (dir string, ok bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", false
	}
	return path[:i], true
}

// holdsFiles reports whether a directory contains anything but empty directories.
func holdsFiles(dir string) bool {
	found := errors.New("found")
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			return found
		}
		return nil
	})
	return errors.Is(err, found)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
