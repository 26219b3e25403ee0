package run

import (
	"io"
	"time"
)

// FreeWriter writes to a terminal without ever waiting for it. A person stops the supervisor's pane with Ctrl-S, and a
// tmux server that hangs reads no pane: neither may stop a keeper or a supervisor. What does not fit is dropped; the
// log file has it.
type FreeWriter struct {
	lines chan []byte
	idle  chan chan struct{}
}

// freeLines is the number of writes that may wait.
const freeLines = 256

// flushLimit is how long a process that ends waits until its last lines are written.
const flushLimit = 300 * time.Millisecond

// NewFreeWriter returns a writer to w, which must not be used otherwise.
func NewFreeWriter(w io.Writer) *FreeWriter {
	f := &FreeWriter{lines: make(chan []byte, freeLines), idle: make(chan chan struct{})}
	go func() {
		for {
			select {
			case l := <-f.lines:
				_, _ = w.Write(l)
				continue
			default:
			}
			select {
			case l := <-f.lines:
				_, _ = w.Write(l)
			case done := <-f.idle:
				close(done)
			}
		}
	}()
	return f
}

// Write implements io.Writer. It never fails.
func (f *FreeWriter) Write(p []byte) (int, error) {
	select {
	case f.lines <- append([]byte(nil), p...):
	default:
	}
	return len(p), nil
}

// Flush waits until everything is written, but not for long.
func (f *FreeWriter) Flush() {
	enough := time.NewTimer(flushLimit)
	defer enough.Stop()
	done := make(chan struct{})
	select {
	case f.idle <- done: // all that was there before is written
	case <-enough.C:
	}
}
