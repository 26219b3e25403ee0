package proof

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"muster/internal/regular"
)

// fenced reports whether a fence keeps this process from the log, and from the directory of messages and answers. It tries
// both, because the environment and the files of the agent's side say what the agent makes them say. A process of the
// agent can take its own user's permissions from a file; that is not a fence, and the modes show it.
func (l Log) fenced() bool {
	files := l.files()
	return !files.Shared && confined() && unreadable(l.Home.DB()) && sealed(filepath.Join(files.RO(), "in"))
}

// unreadable reports whether a file of this user cannot be opened although its mode allows it.
func unreadable(path string) bool {
	f, err := regular.Open(path)
	if err == nil {
		_ = f.Close()
		return false
	}
	return errors.Is(err, fs.ErrPermission) && permits(path, 0o400)
}

// sealed reports whether nothing can be made in a directory of this user although its mode allows it.
func sealed(dir string) bool {
	path := filepath.Join(dir, fmt.Sprintf(".try-%d", os.Getpid()))
	f, err := regular.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		_, _ = f.Close(), os.Remove(path)
		return false
	}
	return (errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS)) && permits(dir, 0o300)
}

// permits reports whether a path belongs to this user and has the bits of the mode for its owner.
func permits(path string, bits fs.FileMode) bool {
	st, err := os.Lstat(path)
	if err != nil {
		// A profile of macOS hides what it refuses; Landlock does not.
		return runtime.GOOS == "darwin" && errors.Is(err, fs.ErrPermission)
	}
	owner, ok := st.Sys().(*syscall.Stat_t)
	return ok && int(owner.Uid) == os.Geteuid() && st.Mode().Perm()&bits == bits
}
