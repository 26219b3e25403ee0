package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"muster/internal/fault"
)

// Reseed writes files into an agent's own configuration directory, in which an agent has run: what it has put in their place is
// removed, and no link leads out of the directory.
func Reseed(dir string, files []File) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fault.Wrap(fault.Failed, err, "open the agent's configuration directory")
	}
	defer root.Close() //nolint:errcheck // nothing is written through it any more
	for _, f := range files {
		if err := reseed(root, f); err != nil {
			return fault.Wrap(fault.Failed, err, "write %s in the agent's configuration directory", f.Path).
				WithHint("Remove %s, and run: muster retry TASK", filepath.Join(dir, f.Path))
		}
	}
	return nil
}

func reseed(root *os.Root, f File) error {
	if err := root.RemoveAll(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := root.MkdirAll(filepath.Dir(f.Path), 0o700); err != nil {
		return err
	}
	out, err := root.OpenFile(f.Path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, f.Mode)
	if err != nil {
		return err
	}
	_, err = out.Write(f.Data)
	return errors.Join(err, out.Close())
}
