package git

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/fault"
)

// Reader reads one repository and changes none of its refs, indexes or files. It may add objects that no ref leads
// to. It is safe for concurrent use.
type Reader struct {
	Root   string // top directory of the checkout that was opened
	Common string // absolute path of the git directory that all worktrees share

	rootDir  string // git directory of the checkout that was opened: Common, or that of a linked worktree; "" is Common
	program  string
	env      []string
	under    string        // all worktrees must be below this directory; "" is anywhere
	private  string        // the directory of private git directories
	view     *view         // the repository's own
	distrust bool          // see Distrust
	idle     time.Duration // idleLimit but in tests
}

// Repo changes one repository. A lock file in the repository serialises everything that moves refs or worktrees, also
// between processes. It is safe for concurrent use.
type Repo struct {
	Reader
	at   os.FileInfo   // the git directory as it was found
	turn chan struct{} // capacity 1: serialises the waiters of this process, so that only one polls the lock file
}

// There reports whether the repository is still where it was opened.
func (r *Repo) There() bool {
	at, err := os.Stat(r.Common)
	return err == nil && os.SameFile(at, r.at)
}

// Option adjusts Open.
type Option func(*Reader)

// Under confines the worktrees that are created and removed to a directory, an absolute path.
func Under(root string) Option { return func(r *Reader) { r.under = filepath.Clean(root) } }

// Env sets the environment from which git's environment is taken by an allow-list. The default is that of the
// process.
func Env(env []string) Option { return func(r *Reader) { r.env = callEnv(env) } }

// Open finds the repository of a checkout. dir may also be a linked worktree or a subdirectory. A directory outside
// of any checkout is a fault.Usage; a bare repository or one without commits is a fault.Conflict.
func Open(ctx context.Context, dir string, opts ...Option) (*Repo, error) {
	r, err := unopened(opts)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "%s is not a directory", dir)
	}
	if st, err := os.Stat(abs); err != nil || !st.IsDir() {
		return nil, fault.New(fault.Usage, "%s is not a directory", dir).WithHint("Name a checkout with --repo.")
	}
	c, err := r.discover(ctx, abs)
	if err != nil {
		return nil, err
	}
	if c.head == "" {
		return nil, fault.New(fault.Conflict, "the repository %s has no commit yet on the branch checked out", c.workTree).
			WithHint("Make a first commit: git commit --allow-empty -m 'first commit'")
	}
	r.Root, r.Common, r.rootDir = c.workTree, c.common, c.gitDir
	if r.at, err = os.Stat(r.Common); err != nil {
		return nil, fault.Wrap(fault.Failed, err, "look at the repository %s", r.Common)
	}
	return r, nil
}

// unopened returns a Repo that has its program and environment, and no repository yet.
func unopened(opts []Option) (*Repo, error) {
	r := &Repo{turn: make(chan struct{}, 1)}
	r.view = &view{}
	for _, o := range opts {
		o(&r.Reader)
	}
	if r.env == nil {
		r.env = callEnv(os.Environ())
	}
	var err error
	r.program, err = Program(r.env)
	return r, err
}

// checkout is the state of a worktree at one moment.
type checkout struct {
	workTree string
	gitDir   string // its own, which an agent may write: a few of its files are read, as data, and git never opens it
	common   string // the git directory that all worktrees of that repository share
	view     string // the private git directory in its place
	ref      string // what HEAD names; "" if it is a commit
	head     string // commit; "" if there is none yet
	headTree string
	branch   string // full name of the branch checked out; "" if detached
}

// lookArgs asks for everything in one process. A path may hold any byte, so a known word separates the answers.
var lookArgs = []string{
	"rev-parse", "--path-format=absolute", "--is-bare-repository", "--git-common-dir", "--is-bare-repository",
	"--absolute-git-dir", "--is-bare-repository", "--show-toplevel", "--is-bare-repository",
	"HEAD", "HEAD^{tree}", "--symbolic-full-name", "HEAD",
}

// discover returns the checkout that dir belongs to.
func (r *Reader) discover(ctx context.Context, dir string) (checkout, error) {
	out, err := r.git(ctx, call{args: lookArgs, native: dir})
	switch {
	case strings.HasPrefix(out, "true\n") && commonOf(dir) != "":
		return checkout{}, fault.New(fault.Conflict, "git takes the checkout %s for a bare repository: core.bare is true in its configuration", dir).
			WithHint("Some program set it by mistake. Fix it: git -C %s config core.bare false", dir)
	case strings.HasPrefix(out, "true\n"):
		return checkout{}, fault.New(fault.Conflict, "%s is a bare repository, which has no files to work on", dir).
			WithHint("Clone it, and name the clone with --repo.")
	case said(err, "dubious ownership"):
		return checkout{}, fault.Wrap(fault.Conflict, err, "git does not trust %s, which belongs to another user", dir).
			WithHint("Trust it: git config --global --add safe.directory %s", dir)
	case said(err, "not a git repository", "must be run in a work tree"):
		return checkout{}, fault.New(fault.Usage, "%s is not in a git checkout", dir).
			WithHint("Go to a checkout or name one with --repo; git init makes a new one.")
	}
	c, ok := parseLook(out)
	if !ok {
		return c, fault.Wrap(fault.Failed, err, "git cannot tell what %s is", dir)
	}
	return c, nil
}

// parseLook parses the output of lookArgs.
func parseLook(out string) (checkout, bool) {
	parts := strings.Split("\n"+out, "\nfalse\n")
	if len(parts) != 5 || parts[0] != "" {
		return checkout{}, false
	}
	c := checkout{common: parts[1], gitDir: parts[2], workTree: parts[3]}
	for strings.HasPrefix(parts[4], "false\n") { // the path itself ends with a line "false"
		parts[4], c.workTree = strings.TrimPrefix(parts[4], "false\n"), c.workTree+"\nfalse"
	}
	heads := strings.Split(strings.TrimSuffix(parts[4], "\n"), "\n")
	if len(heads) == 3 && isHash(heads[0]) {
		c.head, c.headTree = heads[0], heads[1]
		if heads[2] != "HEAD" {
			c.branch = heads[2]
		}
	}
	return c, c.common != "" && c.gitDir != "" && c.workTree != ""
}

// look returns the checkout of a repository inside a worktree, with a view of it below tmp. It fails if path is not the
// top directory of one.
func (r *Reader) look(ctx context.Context, tmp, path string) (checkout, error) {
	c := checkout{workTree: realPath(path), gitDir: gitDirOf(path)}
	if c.gitDir == "" {
		return c, fmt.Errorf("%s is not a repository", path)
	}
	var err error
	c.common = commonOf(path)
	if c.view, err = r.nestedView(tmp, c.common); err != nil {
		return c, fmt.Errorf("%s is not a repository: %w", path, err)
	}
	return c, r.readHead(ctx, &c)
}

// inView returns a call that asks only for objects and refs of the checkout's repository.
func (c *checkout) inView(args ...string) call {
	return call{args: args, in: &place{gitDir: c.view, view: c.view, workTree: c.view, index: filepath.Join(c.view, "index")}}
}

// inspect reads the state of a worktree of this repository, or of the checkout that was opened. It finds the git
// directory by the repository's registry and not by the worktree's .git, because an agent may write that.
func (r *Reader) inspect(ctx context.Context, worktree string) (checkout, error) {
	if st, err := os.Stat(worktree); err != nil || !st.IsDir() {
		return checkout{}, fault.New(fault.NotFound, "the worktree %s is gone", worktree).
			WithHint("muster retry makes it again from its branch; muster restore brings back what was kept.")
	}
	real, err := filepath.EvalSymlinks(worktree)
	if err != nil {
		return checkout{}, fault.Wrap(fault.Failed, err, "look at the worktree %s", worktree)
	}
	gitDir := r.rootDir
	if real != r.Root || gitDir == "" {
		if gitDir, err = r.registration(real); err != nil {
			return checkout{}, err
		}
	}
	if gitDir == "" {
		return checkout{}, notOurs(worktree)
	}
	c := checkout{gitDir: gitDir, workTree: real, common: r.Common}
	if c.view, err = r.viewed(ctx); err != nil {
		return c, err
	}
	return c, r.readHead(ctx, &c)
}

// unread returns a worktree of this repository whose git directory is known, with HEAD as it is there and no commit
// looked up.
func (r *Reader) unread(ctx context.Context, gitDir, path string) (checkout, error) {
	c := checkout{gitDir: gitDir, workTree: realPath(path), common: r.Common}
	var err error
	if c.view, err = r.viewed(ctx); err != nil {
		return c, err
	}
	if c.ref, c.head, err = headOf(gitDir); err != nil {
		return c, fault.Wrap(fault.Failed, err, "read HEAD of %s", path)
	}
	return c, nil
}

// readHead fills in what is checked out.
func (r *Reader) readHead(ctx context.Context, c *checkout) error {
	var err error
	if c.ref, c.head, err = headOf(c.gitDir); err != nil {
		return fault.Wrap(fault.Failed, err, "read HEAD of %s", c.workTree)
	}
	rev := cmp.Or(c.ref, c.head)
	out, err := r.git(ctx, c.inView("rev-parse", rev, rev+"^{tree}"))
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	found := err == nil && len(lines) == 2 && isHash(lines[0])
	switch {
	case err != nil && (!exited(err, 128) || c.ref == ""), err == nil && !found:
		return fault.Wrap(fault.Failed, err, "look at the worktree %s", c.workTree)
	case found:
		c.head, c.headTree = lines[0], lines[1]
	}
	c.branch = c.ref // an orphan branch has a name but no commit
	return nil
}

func notOurs(worktree string) error {
	return fault.New(fault.Conflict, "%s is not a worktree of this repository", worktree).
		WithHint("Look at its .git file; git worktree list shows what the repository knows.")
}

// isHash reports whether s is an object name of SHA-1 or SHA-256.
func isHash(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}
