package check

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"

	"muster/internal/regular"
)

// stepLog writes the output of a step to its log and to the pane. It keeps both ends of a long output: the head is
// written to the file at once, so that it can be followed, and the tail stays in memory until the end.
type stepLog struct {
	mu     sync.Mutex
	file   *os.File
	pane   io.Writer
	head   int64 // bytes that may still be written to the file at once
	most   int   // size of the tail
	tail   []byte
	oldest int // the beginning of the tail, when the ring is full
	total  int64
	lost   int64     // bytes that are neither in head nor in tail
	sum    hash.Hash // of the file
	err    error     // the first one; the step continues without its log
	closed bool
}

// newStepLog starts a new log. most is the size of head and tail together.
func newStepLog(path string, most int64, pane io.Writer) (*stepLog, error) {
	f, err := regular.Create(path)
	if err != nil {
		return nil, fmt.Errorf("open check log: %w", err)
	}
	half := max(1, cmp.Or(most, DefaultMaxLog)/2)
	return &stepLog{file: f, pane: pane, head: half, most: int(half), sum: sha256.New()}, nil
}

// Write never fails, because a full disk or a dead terminal is not the step's fault.
func (l *stepLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return len(p), nil // from a process that outlived its step
	}
	_, _ = l.pane.Write(p)
	l.total += int64(len(p))
	n := min(l.head, int64(len(p)))
	if n > 0 {
		l.keep(p[:n])
		l.head -= n
	}
	l.remember(p[n:])
	return len(p), nil
}

// remember adds bytes to the ring.
func (l *stepLog) remember(p []byte) {
	if over := len(p) - l.most; over > 0 {
		l.lost += int64(over)
		p = p[over:]
	}
	if room := min(l.most-len(l.tail), len(p)); room > 0 {
		l.tail = append(l.tail, p[:room]...)
		p = p[room:]
	}
	l.lost += int64(len(p))
	for len(p) > 0 {
		n := copy(l.tail[l.oldest:], p)
		l.oldest = (l.oldest + n) % l.most
		p = p[n:]
	}
}

// kept returns the SHA-256 of what the log has, in hexadecimal digits.
func (l *stepLog) kept() string { return hex.EncodeToString(l.sum.Sum(nil)) }

// close writes the tail. It returns the size of the whole output, and whether any of it is missing from the log.
func (l *stepLog) close() (total int64, truncated bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.lost > 0 {
		l.keep(fmt.Appendf(nil, "\n[... %d bytes left out ...]\n", l.lost))
	}
	l.keep(l.tail[l.oldest:])
	l.keep(l.tail[:l.oldest])
	l.tail = nil
	err = errors.Join(l.err, l.file.Close())
	return l.total, l.lost > 0 || err != nil, err
}

func (l *stepLog) keep(p []byte) {
	if l.err == nil && len(p) > 0 {
		var n int
		n, l.err = l.file.Write(p)
		l.sum.Write(p[:n])
	}
}
