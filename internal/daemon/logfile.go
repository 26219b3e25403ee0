package daemon

import (
	"fmt"
	"io/fs"
	"os"
	"sync"

	"muster/internal/fault"
	"muster/internal/regular"
)

// logLimit is the size in bytes at which the supervisor's log is rotated. One old file is kept.
const logLimit = 10 << 20

// logFile is the supervisor's log for people. It never takes more room than twice its limit.
type logFile struct {
	path  string
	limit int64

	mu   sync.Mutex
	file *os.File
	size int64
}

// openLog opens the log. A full one is rotated first.
func openLog(path string, limit int64) (*logFile, error) {
	l := &logFile{path: path, limit: limit}
	if err := l.open(); err != nil {
		return nil, fault.Wrap(fault.Failed, err, "open the supervisor's log").WithHint("Make %s writable.", path)
	}
	if l.size > l.limit {
		if err := l.turn(); err != nil {
			_ = l.Close()
			return nil, fault.Wrap(fault.Failed, err, "rotate the log").WithHint("Make %s writable.", path)
		}
	}
	return l, nil
}

func (l *logFile) open() error {
	f, err := regular.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	var st fs.FileInfo
	if st, err = f.Stat(); err != nil {
		_ = f.Close()
		return err
	}
	l.file, l.size = f, st.Size()
	return nil
}

// turn rotates the log: it renames the file and starts a new one.
func (l *logFile) turn() error {
	if err := os.Rename(l.path, l.path+".1"); err != nil {
		return err
	}
	old := l.file
	if err := l.open(); err != nil {
		return err // the renamed file stays in use
	}
	return old.Close()
}

// Write appends p. If the log cannot be rotated, it appends to the old file.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > l.limit {
		l.size = 0 // a failed rotation is tried again after limit more bytes
		_ = l.turn()
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("write the supervisor's log: %w", err)
	}
	return n, nil
}

// Close closes the file.
func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
