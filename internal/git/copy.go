package git

import (
	"context"
	"crypto/sha1" //nolint:gosec // git names content by it
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"muster/internal/fault"
)

// copiedName is the file in a worktree's administrative directory that lists what Copy brought. Those files are not
// work.
const copiedName = "muster-copied"

// Copy copies files that are not in the repository, such as .env, from the checkout into a worktree and keeps their
// mode. Paths are relative to both. A symbolic link in the checkout is followed. A missing file is a fault.NotFound.
// A file that is not regular, that is outside the checkout, or that is behind a symbolic link in the worktree is a
// fault.Usage. A file that the worktree already has stays as it is.
func (r *Repo) Copy(ctx context.Context, worktree string, files []string) error {
	if len(files) == 0 {
		return nil
	}
	c, err := r.inspect(ctx, worktree)
	if err != nil {
		return err
	}
	to, err := os.OpenRoot(worktree)
	if err != nil {
		return fault.Wrap(fault.Failed, err, "open the worktree")
	}
	defer to.Close() //nolint:errcheck // the files were closed
	for _, name := range files {
		source, err := CopySource(r.Root, name)
		if err != nil {
			return err
		}
		if err := plain(to, name); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		} else if err == nil {
			continue
		}
		if err := copyIn(c, to, source, name); err != nil {
			return fault.Wrap(fault.Failed, err, "copy %s into the worktree", name)
		}
	}
	return nil
}

// CopySource returns the path of the file that Copy takes for a name in the checkout at root, or the error of Copy.
func CopySource(root, name string) (string, error) {
	if err := local(name); err != nil {
		return "", err
	}
	path, err := filepath.EvalSymlinks(filepath.Join(root, name))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return "", fault.New(fault.NotFound, "there is no file %q in %s to copy", name, root).
			WithHint("Make it, or take it out of copy in muster.toml.")
	}
	if err != nil {
		return "", fault.Wrap(fault.Failed, err, "look at %q", name)
	}
	st, err := os.Stat(path)
	if err != nil {
		return "", fault.Wrap(fault.Failed, err, "look at %q", name)
	}
	if !st.Mode().IsRegular() {
		return "", fault.New(fault.Usage, "%q in copy is not a regular file", name).WithHint("Name each file.")
	}
	return path, nil
}

// local returns an error unless name is a path below a checkout and outside its git directory.
func local(name string) error {
	if !filepath.IsLocal(name) || filepath.Clean(name) != name || name == "." || hasDotGit(name) {
		return fault.New(fault.Usage, "%q in copy is not a path inside the checkout", name)
	}
	return nil
}

// plain returns an error unless name is a regular file below root that no symbolic link leads to.
func plain(root *os.Root, name string) error {
	if err := local(name); err != nil {
		return err
	}
	for i, c := range name + "/" {
		if c != '/' {
			continue
		}
		st, err := root.Lstat(name[:i])
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fault.New(fault.NotFound, "there is no file %q in %s to copy", name, root.Name()).
				WithHint("Make it, or take it out of copy in muster.toml.")
		case err != nil:
			return fault.Wrap(fault.Failed, err, "look at %q", name)
		case st.Mode()&fs.ModeSymlink != 0:
			return fault.New(fault.Usage, "%q in copy is, or is behind, a symbolic link in %s", name, root.Name()).
				WithHint("Name the file itself.")
		case i == len(name) && !st.Mode().IsRegular():
			return fault.New(fault.Usage, "%q in copy is not a regular file", name).WithHint("Name each file.")
		case i < len(name) && !st.IsDir():
			return fault.New(fault.Usage, "%q in copy is below a file in %s", name, root.Name())
		}
	}
	return nil
}

// copyIn copies to a temporary file and then links it, so that the name never holds half a file and nothing is
// overwritten.
func copyIn(c checkout, to *os.Root, source, name string) error {
	in, st, err := openRegular(source)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	if err := to.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	tmp := filepath.Join(filepath.Dir(name), fmt.Sprintf(".muster-copy-%d-%s", os.Getpid(), filepath.Base(name)))
	defer to.Remove(tmp) //nolint:errcheck // after the link the name is not needed
	out, err := to.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer out.Close() //nolint:errcheck // closed below; the second is harmless
	note := copiedNote{}
	if note.size, err = io.Copy(out, in); err != nil {
		return err
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if note.blob, err = blobHash(out, note.size, len(c.head)); err != nil {
		return err
	}
	if err := errors.Join(out.Chmod(st.Mode().Perm()), out.Close()); err != nil {
		return err
	}
	// The list comes first: a copied file that is not listed would be taken for the agent's work and published.
	if err := noteCopied(c.gitDir, name, note); err != nil {
		return err
	}
	if err := to.Link(tmp, name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// copiedNote is the entry of a file that Copy brought.
type copiedNote struct {
	blob string // the content as git would name it; "" in a list of an older version
	size int64
}

// copiedFiles reads the list of copied files by path. An entry is the hash and size of the copied content and the
// path; older versions wrote only the path.
func copiedFiles(gitDir string) (map[string]copiedNote, error) {
	b, err := readSmall(filepath.Join(gitDir, copiedName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	notes := map[string]copiedNote{}
	for _, entry := range fields(string(b)) {
		f := strings.SplitN(entry, " ", 3)
		if len(f) == 3 && isHash(f[0]) {
			if size, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				notes[f[2]] = copiedNote{blob: f[0], size: size}
				continue
			}
		}
		notes[entry] = copiedNote{}
	}
	return notes, nil
}

// noteCopied adds a file to the list. It is called before the file is copied.
func noteCopied(gitDir, name string, note copiedNote) error {
	notes, err := copiedFiles(gitDir)
	if err != nil {
		return fault.Wrap(fault.Failed, err, "read what was copied")
	}
	if notes[name] == note {
		return nil
	}
	notes[name] = note
	list := ""
	for n, c := range notes {
		if c.blob != "" {
			n = fmt.Sprintf("%s %d %s", c.blob, c.size, n)
		}
		list += n + "\x00"
	}
	return writeFile(filepath.Join(gitDir, copiedName), list)
}

// unchanged reports whether the file at path still has the copied content.
func (n copiedNote) unchanged(path string) bool {
	if n.blob == "" {
		return true // an older version wrote the entry and ignored changes
	}
	f, st, err := openRegular(path)
	if err != nil || st.Size() != n.size {
		_ = f.Close()
		return false
	}
	defer f.Close() //nolint:errcheck // only read
	blob, err := blobHash(f, st.Size(), len(n.blob))
	return err == nil && blob == n.blob
}

// blobHash returns git's name of the content, in a repository whose object names have that length. It applies no
// filter.
func blobHash(in io.Reader, size int64, length int) (string, error) {
	h := sha1.New() //nolint:gosec // git's own choice
	if length == 2*sha256.Size {
		h = sha256.New()
	}
	_, _ = fmt.Fprintf(h, "blob %d\x00", size)
	if n, err := io.Copy(h, in); err != nil || n != size {
		return "", errors.Join(err, fmt.Errorf("%d bytes of %d", n, size))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
