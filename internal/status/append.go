package status

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"muster/internal/event"
	"muster/internal/regular"
	"muster/internal/text"
)

// errNotRegular means that the status file is a symbolic link, a FIFO or a device.
var errNotRegular = regular.ErrNotRegular

// Append writes one record as one line, in a single write(2), so that any number of processes may append at
// once. V and Time are filled in if zero, texts are cleaned and cut as Parse does. A file that does not exist is
// created (0600), its directory is not. A torn line that a dead writer or a full disk left is closed first.
// After an error the file may hold a part of the line; the next Append closes it.
func Append(path string, r event.Record) error {
	line, err := encode(r)
	if err != nil {
		return err
	}
	fd, err := openAppend(path)
	if err != nil {
		return fmt.Errorf("open status file: %w", &os.PathError{Op: "open", Path: path, Err: err})
	}
	defer unix.Close(fd) //nolint:errcheck // the line is written or not by now
	if torn(fd) {
		line = append([]byte{'\n'}, line...)
	}
	// os.File.Write would complete a short write by a second call, and another writer's line could come between.
	n, err := retry(func() (int, error) { return unix.Write(fd, line) })
	if err == nil && n < len(line) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("append status record: %w", &os.PathError{Op: "write", Path: path, Err: err})
	}
	return nil
}

// encode returns the record as a line, with its newline.
func encode(r event.Record) ([]byte, error) {
	if !slices.Contains(States(), r.State) {
		return nil, fmt.Errorf("append status record: unknown state %q", text.Field(string(r.State), 40))
	}
	if r.Time.IsZero() {
		r.Time = time.Now().UTC()
	}
	normalise(&r)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("encode status record: %w", err)
	}
	if b.Len() > MaxLine {
		return nil, fmt.Errorf("append status record: %w", errLongLine)
	}
	return b.Bytes(), nil
}

// openAppend opens for appending and reading, which on a FIFO does not block, and refuses everything except a regular
// file.
func openAppend(path string) (int, error) {
	const flags = unix.O_RDWR | unix.O_APPEND | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := retry(func() (int, error) { return unix.Open(path, flags, 0o600) })
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd) //nolint:errcheck // the first error counts
		return -1, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd) //nolint:errcheck // nothing was written
		return -1, errNotRegular
	}
	return fd, nil
}

// torn reports whether the file ends within a line. It may be wrong while another process writes; that costs an empty
// line, which readers skip.
func torn(fd int) bool {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Size == 0 {
		return false
	}
	var last [1]byte
	n, err := retry(func() (int, error) { return unix.Pread(fd, last[:], st.Size-1) })
	return err == nil && n == 1 && last[0] != '\n'
}

// retry repeats a system call that a signal interrupted before it did anything.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
