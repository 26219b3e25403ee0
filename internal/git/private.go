package git

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"muster/internal/fault"
	"muster/internal/replace"
	"muster/internal/scarce"
)

// An agent can write in its worktree and in the repository: configuration, attributes, hooks, and everything of its
// worktree's administrative directory. git runs programs that a configuration names. Every git of ours therefore runs
// with a git directory of muster's own, a view of the repository. In a view the objects, refs and reflogs are links to those of
// the repository, and the configuration, attributes and excludes are files that muster wrote. git never opens the
// repository's own, so it does not matter what they contain or how often they change. See docs/decisions.

// shared are the parts of a repository that a view links to. They are data: no program is named in any of them.
// The keys of git-crypt are where it looks for them: with another key it would still encrypt.
var shared = []string{"objects", "refs", "packed-refs", "reftable", "logs", "shallow", "worktrees", "git-crypt"}

// view is the private git directory of one repository. It is filled at its first use. It is safe for concurrent use.
type view struct {
	mu      sync.Mutex
	ready   bool
	sources string // what the user's configuration was read from, see fingerprint
	read    readings
	frozen  frozen
	spoiled error // why the repository's configuration could not be read
}

// settings returns what the view was filled from.
func (v *view) settings() (readings, frozen) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.read, v.frozen
}

// Private sets the directory, an absolute path, in which a repository's private git directory is made. Without it only
// the place of a checkout can be asked for.
func Private(dir string) Option { return func(r *Reader) { r.private = filepath.Clean(dir) } }

// Distrust makes the first use of a repository fail if its configuration names a program. It is for what an agent asks
// for: only a person's dispatch says that the filters of a repository may run.
func Distrust(yes bool) Option { return func(r *Reader) { r.distrust = yes } }

// viewDir returns the path of the private git directory of the repository.
func (r *Reader) viewDir() string {
	sum := sha256.Sum256([]byte(realPath(r.Common)))
	return filepath.Join(r.private, hex.EncodeToString(sum[:12]))
}

// unviewed replaces the view in a message of git by the repository, which a person knows.
func (r *Reader) unviewed(message string) string {
	if r.private == "" || r.Common == "" {
		return message
	}
	return strings.ReplaceAll(message, r.viewDir(), r.Common)
}

// viewed returns the repository's private git directory, complete and with the present configuration of the user.
func (r *Reader) viewed(ctx context.Context) (string, error) {
	if r.private == "" || r.view == nil {
		return "", fault.New(fault.Failed, "the repository %s was opened without a private git directory", r.Common)
	}
	dir := r.viewDir()
	r.view.mu.Lock()
	defer r.view.mu.Unlock()
	if now := r.fingerprint(); !r.view.ready || now != r.view.sources || !exists(filepath.Join(dir, "config")) {
		if err := r.fillView(ctx, dir); err != nil {
			return "", err
		}
		r.view.ready, r.view.sources = true, r.fingerprint()
	}
	return dir, nil
}

// fillView writes the private git directory. Several processes may do so at the same time: each file is replaced
// whole, and they write the same.
func (r *Reader) fillView(ctx context.Context, dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "info"), 0o700); err != nil {
		return fault.Wrap(fault.Failed, err, "make the private git directory")
	}
	if err := linkShared(dir, r.Common); err != nil {
		return err
	}
	sweep(filepath.Join(dir, "tmp"))
	known, err := readFrozen(dir)
	if err != nil {
		return err
	}
	read, err := r.configuration(ctx)
	switch {
	case err != nil && (known == nil || !exists(filepath.Join(dir, "config")) || ctx.Err() != nil):
		return err
	case err != nil:
		r.view.frozen, r.view.spoiled = *known, err
		return nil // something spoiled the repository's configuration, which only Freeze needs
	}
	if known == nil {
		if known, err = r.freeze(dir, read); err != nil {
			return err
		}
	}
	if known.Alternates == nil {
		known.Alternates = r.alternates()
		if err := r.store(dir, *known); err != nil {
			return err
		}
	}
	r.view.read, r.view.frozen, r.view.spoiled = read, *known, nil
	return r.writeView(dir, read.user, *known)
}

// writeView writes the files of the private git directory that git reads its settings from.
func (r *Reader) writeView(dir string, user []setting, f frozen) error {
	config := renderConfig(user, r.ownSettings(f), f.Content, f.Programs)
	for name, content := range map[string]string{
		"config": config, "info/exclude": f.Exclude, "info/attributes": f.Attributes + f.Filtered,
		"info/sparse-checkout": f.Sparse, "HEAD": r.mainHead(),
	} {
		path := filepath.Join(dir, name)
		if old, err := os.ReadFile(path); err == nil && string(old) == content { //nolint:gosec // a directory of our own
			continue
		}
		if name == "info/sparse-checkout" && content == "" {
			_ = os.Remove(path)
			continue
		}
		if err := replace.Quick(path, []byte(content)); err != nil {
			return fault.Wrap(fault.Failed, err, "write the private git directory")
		}
	}
	return nil
}

// linkShared makes the links of a view to a repository's objects and refs.
func linkShared(dir, common string) error {
	for _, name := range shared {
		to, path := filepath.Join(common, name), filepath.Join(dir, name)
		if at, err := os.Readlink(path); err == nil && at == to {
			continue
		}
		if err := os.Symlink(to, path); err != nil && !errors.Is(err, fs.ErrExist) {
			return fault.Wrap(fault.Failed, err, "make the private git directory")
		}
	}
	return nil
}

// mainHead returns the content of HEAD in the view: that of the repository, so that git knows which branch is checked
// out there.
func (r *Reader) mainHead() string {
	ref, commit, err := headOf(r.Common)
	if err != nil {
		return "ref: refs/heads/main\n"
	}
	return headFile(ref, commit)
}

// headFile returns the content of the file HEAD for a symbolic ref or, if that is "", a commit.
func headFile(ref, commit string) string {
	if ref != "" {
		return "ref: " + ref + "\n"
	}
	return commit + "\n"
}

// headOf reads HEAD of a git directory as a file: the ref that it names, or the commit.
func headOf(gitDir string) (ref, commit string, err error) {
	name := filepath.Join(gitDir, "HEAD")
	if to, err := os.Readlink(name); err == nil && strings.HasPrefix(to, "refs/") && validRef(to) {
		return to, "", nil
	}
	b, err := readSmall(name)
	if err != nil {
		return "", "", err
	}
	content := strings.TrimSpace(string(b))
	if to, ok := strings.CutPrefix(content, "ref:"); ok {
		if to = strings.TrimSpace(to); strings.HasPrefix(to, "refs/") && validRef(to) {
			return to, "", nil
		}
	} else if isHash(content) {
		return "", content, nil
	}
	return "", "", fault.New(fault.Failed, "%s names neither a ref nor a commit", name)
}

// nestedView makes a view of a repository inside a worktree, below tmp. From its configuration only the format of the
// repository and settings about the file system are taken.
func (r *Reader) nestedView(tmp, common string) (string, error) {
	for _, part := range []string{"HEAD", "objects", "refs"} {
		if !exists(filepath.Join(common, part)) {
			return "", fault.New(fault.Failed, "%s is no repository", common)
		}
	}
	dir, err := os.MkdirTemp(tmp, "view-")
	if err != nil {
		return "", err
	}
	ref, commit, err := headOf(common)
	if err != nil {
		return "", err
	}
	exclude, _ := readSmall(filepath.Join(common, "info", "exclude"))
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "info"), 0o700), linkShared(dir, common)); err != nil {
		return "", err
	}
	config := renderConfig(r.view.read.user, plainSettings(common))
	for name, content := range map[string]string{"HEAD": headFile(ref, commit), "config": config, "info/exclude": string(exclude)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// tempDir makes a temporary directory of ours for work on a repository. If the disk of the state directory is full or
// cannot be written, it is in the system's directory for temporary files: a dispatch still needs one to read.
func (r *Reader) tempDir(ctx context.Context) (string, error) {
	dir, err := r.viewed(ctx)
	if err != nil {
		return "", err
	}
	all := filepath.Join(dir, "tmp")
	err = os.MkdirAll(all, 0o700)
	if err == nil {
		dir, err = os.MkdirTemp(all, "seat-")
	}
	if scarce.OfDisk(err) {
		return os.MkdirTemp("", "muster-seat-")
	}
	return dir, err
}

// sweep removes what killed processes left in a directory of temporary ones.
func sweep(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if st, err := e.Info(); err == nil && time.Since(st.ModTime()) > maxSeatAge {
			_ = os.RemoveAll(filepath.Join(dir, e.Name()))
		}
	}
}

// maxSeatAge is longer than any call of git takes.
const maxSeatAge = 48 * time.Hour

// seat returns a place for a checkout: a git directory below tmp that holds a copy of HEAD, and no index yet. git does
// not open the checkout's own.
func (c *checkout) seat(tmp string) (place, error) {
	p := place{gitDir: tmp, workTree: c.workTree, view: c.view, index: filepath.Join(tmp, "index")}
	for name, content := range map[string]string{"HEAD": headFile(c.ref, c.head), "commondir": c.view + "\n"} {
		if err := os.WriteFile(filepath.Join(tmp, name), []byte(content), 0o600); err != nil {
			return p, err
		}
	}
	if keys := filepath.Join(c.view, "git-crypt"); isDir(keys) {
		return p, os.Symlink(keys, filepath.Join(tmp, "git-crypt"))
	}
	return p, nil
}

// isDir reports whether a path leads to a directory.
func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// seated runs fn with a temporary seat of a checkout and a copy of its index, if it has one.
func (r *Reader) seated(ctx context.Context, c checkout, fn func(place) error) error {
	tmp, err := r.tempDir(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // otherwise sweep does
	p, err := c.seat(tmp)
	if err != nil {
		return err
	}
	if err := takeIndex(c.gitDir, tmp); err != nil && !noIndex(err) {
		return err
	}
	return fn(p)
}
