package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

var (
	// ErrNotRegular is the error of a FIFO, device, socket or directory.
	ErrNotRegular = errors.New("not a regular file")
	// ErrTooLarge is the error of a file that has more bytes than the limit of a read.
	ErrTooLarge = errors.New("the file is too large")
)

// Open opens a regular file for reading. A symbolic link is refused.
func Open(path string) (*os.File, error) { return open(path, os.O_RDONLY|unix.O_NOFOLLOW, 0) }

// Follow is Open for a file that its owner may have linked to, such as a configuration file of the user.
func Follow(path string) (*os.File, error) { return open(path, os.O_RDONLY, 0) }

// Create creates or truncates a regular file for writing, readable by its owner only. A symbolic link is refused.
func Create(path string) (*os.File, error) {
	return open(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
}

// OpenFile is os.OpenFile for a regular file. A symbolic link is refused.
func OpenFile(path string, flags int, mode fs.FileMode) (*os.File, error) {
	return open(path, flags|unix.O_NOFOLLOW, mode)
}

// Mark creates an empty file. The error is fs.ErrExist if there is a file already, so of several processes one succeeds.
func Mark(path string, mode fs.FileMode) error {
	f, err := OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	return f.Close()
}

// Ensure creates an empty file if there is none.
func Ensure(path string, mode fs.FileMode) error {
	if err := Mark(path, mode); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// open opens without blocking, which a FIFO would do otherwise, and refuses everything that is not a regular file.
func open(path string, flags int, mode fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flags|unix.O_NONBLOCK|unix.O_NOCTTY, mode) //nolint:gosec // the caller's path
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// Read reads a whole file of at most limit bytes with Open.
func Read(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	return readAll(f, limit)
}

// ReadFollow reads a whole file of at most limit bytes with Follow.
func ReadFollow(path string, limit int64) ([]byte, error) {
	f, err := Follow(path)
	if err != nil {
		return nil, err
	}
	return readAll(f, limit)
}

// ReadIn reads a whole file of at most limit bytes that lies in a directory which others may write. Symbolic links do not
// lead out of root.
func ReadIn(root *os.Root, name string, limit int64) ([]byte, error) {
	f, err := OpenIn(root, name)
	if err != nil {
		return nil, err
	}
	return readAll(f, limit)
}

// OpenIn opens a file as ReadIn reads it.
func OpenIn(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, errors.Join(&fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}, err, f.Close())
	}
	return f, nil
}

// readAll reads f to its end and closes it.
func readAll(f *os.File, limit int64) ([]byte, error) {
	defer f.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	if int64(len(b)) > limit {
		return nil, &fs.PathError{Op: "read", Path: f.Name(), Err: ErrTooLarge}
	}
	return b, nil
}
