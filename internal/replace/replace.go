package replace

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// File writes a new file and syncs it before it replaces the old one. Its mode is that of the old file, or mode less
// the umask if there was none. The directory must exist. Errors work with errors.Is.
func File(path string, data []byte, mode fs.FileMode) error {
	return renameio.WriteFile(path, data, mode, renameio.WithTempDir(filepath.Dir(path)))
}

// Durable writes a file that only its owner can read. After Durable returns, the file survives a crash of the
// machine.
func Durable(path string, data []byte) error { return write(path, data, true) }

// Quick is Durable without syncing. A crash of the machine may lose or damage the file.
func Quick(path string, data []byte) error { return write(path, data, false) }

// Sole is Quick for a file that only one process writes. A write that is cut off leaves path+".new", which the next one
// replaces, so that a process which dies again and again leaves one file.
func Sole(path string, data []byte) error {
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func write(path string, data []byte, sync bool) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name()) // readers ignore a file that is left over
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if sync {
		if err = f.Sync(); err != nil {
			return err
		}
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil || !sync {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the caller's directory
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // only read
	return d.Sync()
}
