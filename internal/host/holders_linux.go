package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Holders returns the processes of this user that have a file open for reading and writing. Files are compared by device
// and inode, so it does not matter by which path either side names them. Read-only descriptors, as used to test the lock, do
// not count. A process that left its session and cleared its environment still holds an inherited descriptor; one that
// closed all descriptors is not found.
func Holders(path string) ([]Process, error) {
	pids, err := pids()
	if err != nil {
		return nil, err
	}
	var file unix.Stat_t
	if err := unix.Stat(path, &file); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("find holders: %w", &fs.PathError{Op: "stat", Path: path, Err: err})
	}
	uid := os.Geteuid()
	var out []Process
	for _, pid := range pids {
		p, err := Identify(pid)
		if err != nil || !ownedBy(pid, uid) || !holds(pid, filepath.Base(path), file) {
			continue
		}
		// The identity is read before and after: the descriptors belong to this process.
		if again, err := Identify(pid); err == nil && again == p {
			out = append(out, p)
		}
	}
	return out, nil
}

// holds reports whether a process has the file open for reading and writing. Only descriptors with the file's base name
// are examined, because stat may block for a file on a dead network file system.
func holds(pid int, base string, file unix.Stat_t) bool {
	dir := "/proc/" + strconv.Itoa(pid)
	fds, err := os.Open(dir + "/fd")
	if err != nil {
		return false
	}
	defer fds.Close() //nolint:errcheck // read only
	names, err := fds.Readdirnames(-1)
	if err != nil {
		return false
	}
	for _, n := range names {
		fd := dir + "/fd/" + n
		if target, err := os.Readlink(fd); err != nil || filepath.Base(target) != base {
			continue
		}
		var st unix.Stat_t
		if unix.Stat(fd, &st) == nil && st.Dev == file.Dev && st.Ino == file.Ino && forWriting(dir+"/fdinfo/"+n) {
			return true
		}
	}
	return false
}

// forWriting reports whether a descriptor is open for reading and writing: the last octal digit of its flags is 2.
func forWriting(info string) bool {
	b, err := os.ReadFile(info)
	if err != nil {
		return false
	}
	for line := range bytes.Lines(b) {
		if flags, ok := bytes.CutPrefix(line, []byte("flags:")); ok {
			n, err := strconv.ParseUint(string(bytes.TrimSpace(flags)), 8, 64)
			return err == nil && n&3 == uint64(os.O_RDWR)
		}
	}
	return false
}
