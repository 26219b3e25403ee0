package git

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"muster/internal/fault"
	"muster/internal/replace"
)

// git has one directory per linked worktree (gitrepository-layout(5)). It holds HEAD, the index, the file gitdir with
// the path of the worktree's .git, and the file locked while the worktree is unfinished or locked by a person.

// Contents of the file locked while git, or Restore, has not finished a worktree.
const (
	lockedByGit     = "initializing"
	lockedByRestore = "added with --lock"
)

// registration returns the administrative directory of the worktree at path; "" if the repository has none.
func (r *Reader) registration(path string) (string, error) {
	all := filepath.Join(r.Common, "worktrees")
	entries, err := os.ReadDir(all)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fault.Wrap(fault.Failed, err, "list the worktrees")
	}
	want := filepath.Join(realPath(path), ".git")
	for _, e := range entries {
		admin := filepath.Join(all, e.Name())
		got := registeredAt(admin)
		if got == "" {
			continue // another git is making it, or it is broken
		}
		// Links are followed only if the last component is the same: following them for all worktrees is slow, and
		// git writes the real name of a worktree.
		near := strings.EqualFold(filepath.Base(filepath.Dir(got)), filepath.Base(filepath.Dir(want)))
		if got == want || near && filepath.Join(realPath(filepath.Dir(got)), ".git") == want {
			return admin, nil
		}
	}
	return "", nil
}

// registeredAt returns the path of the .git that an administrative directory belongs to; "" if it names none.
func registeredAt(admin string) string {
	b, err := readSmall(filepath.Join(admin, "gitdir"))
	if err != nil {
		return ""
	}
	at := strings.TrimRight(string(b), "\n")
	if !filepath.IsAbs(at) {
		at = filepath.Join(admin, at)
	}
	return at
}

// inTheMaking reports whether the worktree of an administrative directory is unfinished.
func inTheMaking(admin string) bool {
	b, err := readSmall(filepath.Join(admin, "locked"))
	if err != nil {
		return false
	}
	why := strings.TrimSpace(string(b))
	return why == lockedByGit || why == lockedByRestore
}

// relink writes the .git file of a worktree again if it is missing. An agent that deletes it must not lose its work.
func (r *Repo) relink(path string) error {
	dotGit := filepath.Join(path, ".git")
	if _, err := os.Lstat(dotGit); !errors.Is(err, fs.ErrNotExist) {
		return nil // it exists, or it is unreadable, for which a later step has a better error
	}
	if st, err := os.Stat(path); err != nil || !st.IsDir() {
		return nil
	}
	admin, err := r.registration(path)
	if err != nil || admin == "" {
		return err
	}
	return writeFile(dotGit, "gitdir: "+admin+"\n")
}

// record is what muster stores about a worktree before it asks git to make it. A branch that was made and not used
// yet can only be recognised as ours by this record.
type record struct {
	Path, Branch, Base, Owner string
}

func (r *Reader) recordFile(path string) string {
	sum := sha256.Sum256([]byte(realPath(path)))
	return filepath.Join(r.Common, "muster", hex.EncodeToString(sum[:12])+".json")
}

// remembered reads the record of a path; nil if there is none.
func (r *Reader) remembered(path string) (*record, error) {
	b, err := readSmall(r.recordFile(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "read what is known of %s", path)
	}
	rec := &record{}
	if json.Unmarshal(b, rec) != nil || rec.Branch == "" || !isHash(rec.Base) {
		return nil, nil // a power cut tore it: treat it as missing
	}
	return rec, nil
}

// remember writes the record of a path without fsync, which would cost as much as a small checkout. If a power cut
// loses the record, the branch seems to belong to another owner and another name is taken.
func (r *Repo) remember(rec record) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return fault.Wrap(fault.Failed, err, "remember %s", rec.Path)
	}
	name := r.recordFile(rec.Path)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fault.Wrap(fault.Failed, err, "remember %s", rec.Path)
	}
	if err := replace.Quick(name, b); err != nil {
		return fault.Wrap(fault.Failed, err, "remember %s", rec.Path)
	}
	return nil
}

// writeFile replaces a small file atomically and durably.
func writeFile(name, content string) error {
	if err := replace.Durable(name, []byte(content)); err != nil {
		return fault.Wrap(fault.Failed, err, "write %s", name)
	}
	return nil
}

// realPath resolves symbolic links in path. The last component may be missing.
func realPath(path string) string {
	if p, err := filepath.EvalSymlinks(path); err == nil {
		return p
	}
	if p, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(p, filepath.Base(path))
	}
	return filepath.Clean(path)
}

// contained returns an error unless path is one where we may create or remove a worktree: absolute, below the root
// given by Under, and neither equal to nor above the checkout or the repository.
func (r *Repo) contained(path string) error {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || strings.ContainsRune(path, 0) {
		return fault.New(fault.Usage, "%q is not a clean absolute path", path)
	}
	if st, err := os.Lstat(path); err == nil && st.Mode()&fs.ModeSymlink != 0 {
		return fault.New(fault.Conflict, "%s is a symbolic link, not a worktree", path)
	}
	at := realPath(path)
	if r.under != "" && !inside(realPath(r.under), at) {
		return fault.New(fault.Usage, "%s is not below %s, the directory of worktrees", path, r.under)
	}
	for _, holy := range []string{r.Root, r.Common, filepath.Dir(r.Common)} {
		if at == holy || inside(at, holy) {
			return fault.New(fault.Conflict, "%s is or holds the checkout %s, which is never touched", path, holy)
		}
	}
	return nil
}

// inside reports whether path is strictly below root. Both must be clean and resolved.
func inside(root, path string) bool {
	rel, err := filepath.Rel(root, path)
	return err == nil && rel != "." && rel != ".." && !strings.HasPrefix(rel, "../")
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}
