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

// Version returns the version of this program from its build information.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "dev"
	}
	return info.Main.Version
}

// install copies the program into the state directory. Panes and hooks run the copy, so that rebuilding or upgrading
// the program breaks nothing that runs. The name of the copy ends in a part of its hash, because two builds may have
// the same version. An existing copy is not replaced.
func install(exe string, h home.Dir) (string, error) {
	path, _, err := deposit(exe, Version(), h)
	if err != nil {
		return "", err
	}
	return path, link(path, h.Program())
}

// deposit makes the copy without making it the fleet's program. It reports whether the copy is new.
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

// copyPath returns the path of a program's copy.
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

// copyProgram writes a temporary file and renames it, so that the final name always has the whole program. A running
// program is never overwritten; macOS would kill it.
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

// link points a name at the program and replaces any other link.
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
