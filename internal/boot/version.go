package boot

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/regular"
)

// Version is the version of this program, as the build says it.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "dev"
	}
	return info.Main.Version
}

// install copies the program into the state directory under a name that says what it is, so that rebuilding or
// upgrading it breaks nothing that runs: panes and hooks run the copy. The name ends in a piece of its content's
// hash, since two builds may bear the same version. A copy that is there already is left alone.
func install(exe string, h home.Dir) (string, error) {
	path, _, err := deposit(exe, Version(), h)
	if err != nil {
		return "", err
	}
	return path, link(path, h.Program())
}

// deposit is install without making the program the fleet's. It reports whether the copy is new.
func deposit(exe, version string, h home.Dir) (path string, made bool, err error) {
	path, err = copyPath(exe, version, h)
	if err != nil {
		return "", false, err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := copyProgram(exe, path); err != nil {
			return "", false, fault.Wrap(fault.Failed, err, "copy the program to %s", path).WithHint("Check the free space of the disk.")
		}
		return path, true, nil
	}
	return path, false, nil
}

// copyPath is where a program's copy lies, or would lie.
func copyPath(exe, version string, h home.Dir) (string, error) {
	sum, err := hashFile(exe)
	if err != nil {
		return "", fault.Wrap(fault.Failed, err, "read the program")
	}
	return filepath.Join(h.BinDir(), "muster-"+version+"-"+sum[:8]), nil
}

func hashFile(path string) (string, error) {
	f, err := regular.Follow(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// copyProgram goes by a temporary name: whoever finds the final one finds all of it, and no program is ever
// overwritten while it runs, which macOS answers by killing it.
func copyProgram(from, to string) error {
	in, err := regular.Follow(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	tmp, err := os.CreateTemp(filepath.Dir(to), ".muster-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = io.Copy(tmp, in)
	if err = errors.Join(err, tmp.Chmod(0o700), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), to)
}

// link points a name at the program, whatever it pointed at before.
func link(program, name string) error {
	if old, err := os.Readlink(name); err == nil && old == program {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return fault.Wrap(fault.Failed, err, "make the directory for agents' PATH")
	}
	tmp := name + ".new"
	_ = os.Remove(tmp)
	if err := errors.Join(os.Symlink(program, tmp), os.Rename(tmp, name)); err != nil {
		return fault.Wrap(fault.Failed, err, "link %s", name)
	}
	return nil
}
