package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/fault"
)

// copiedName lists, in a worktree's administrative directory, the files that Copy brought: they are no work.
const copiedName = "muster-copied"

// Copy brings files that are not in the repository, such as .env, from the checkout into a worktree, with their mode.
// Paths are relative to both. One that is missing is a fault.NotFound; one that is no regular file, or leads
// through a symbolic link or outside, is a fault.Usage. What the worktree has already is left as it is.
func (r *Repo) Copy(ctx context.Context, worktree string, files []string) error {
	if len(files) == 0 {
		return nil
	}
	c, err := r.inspect(ctx, worktree)
	if err != nil {
		return err
	}
	from, err := os.OpenRoot(r.Root)
	if err != nil {
		return fault.Wrap(fault.Failed, err, "open the checkout")
	}
	defer from.Close() //nolint:errcheck // only read
	to, err := os.OpenRoot(worktree)
	if err != nil {
		return fault.Wrap(fault.Failed, err, "open the worktree")
	}
	defer to.Close() //nolint:errcheck // the files were closed
	for _, name := range files {
		if err := plain(from, name); err != nil {
			return err
		}
		if err := plain(to, name); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		} else if err == nil {
			continue
		}
		// Noted first: a file that is copied and not noted would be taken for the agent's and published.
		if err := noteCopied(c.gitDir, name); err != nil {
			return err
		}
		if err := copyFile(from, to, name); err != nil {
			return fault.Wrap(fault.Failed, err, "copy %s into the worktree", name)
		}
	}
	return nil
}

// plain makes sure that name is a regular file below root, reached through no symbolic link.
func plain(root *os.Root, name string) error {
	if !filepath.IsLocal(name) || filepath.Clean(name) != name || name == "." ||
		slices.ContainsFunc(strings.Split(name, "/"), func(p string) bool { return strings.EqualFold(p, ".git") }) {
		return fault.New(fault.Usage, "%q in copy is not a path inside the checkout", name)
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
			return fault.New(fault.Usage, "%q in copy is or lies behind a symbolic link in %s", name, root.Name()).
				WithHint("Name the file itself.")
		case i == len(name) && !st.Mode().IsRegular():
			return fault.New(fault.Usage, "%q in copy is not a regular file", name).WithHint("Name single files.")
		case i < len(name) && !st.IsDir():
			return fault.New(fault.Usage, "%q in copy lies below a file in %s", name, root.Name())
		}
	}
	return nil
}

// copyFile copies through a temporary file that is then linked: never half a file, never over another.
func copyFile(from, to *os.Root, name string) error {
	in, err := from.Open(name)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	st, err := in.Stat()
	if err != nil {
		return err
	}
	if err := to.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	tmp := filepath.Join(filepath.Dir(name), fmt.Sprintf(".muster-copy-%d-%s", os.Getpid(), filepath.Base(name)))
	defer to.Remove(tmp) //nolint:errcheck // gone is what we want
	out, err := to.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Chmod(st.Mode().Perm()), out.Close()); err != nil {
		return err
	}
	if err := to.Link(tmp, name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// copiedFiles reads the list of what Copy brought.
func copiedFiles(gitDir string) (map[string]bool, error) {
	b, err := readSmall(filepath.Join(gitDir, copiedName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	names := map[string]bool{}
	for _, n := range fields(string(b)) {
		names[n] = true
	}
	return names, nil
}

func noteCopied(gitDir, name string) error {
	names, err := copiedFiles(gitDir)
	if err != nil {
		return fault.Wrap(fault.Failed, err, "read what was copied")
	}
	if names[name] {
		return nil
	}
	list := ""
	for n := range names {
		list += n + "\x00"
	}
	return writeFile(filepath.Join(gitDir, copiedName), list+name+"\x00")
}
