package status

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
	"time"

	"muster/internal/event"
	"muster/internal/regular"
	"muster/internal/text"
)

const (
	// passBytes is the most that one pass reads of one file before the next file's turn.
	passBytes = 1 << 20
	// ownPassBytes is the limit for files of status records, whose short lines take far more memory as records.
	ownPassBytes = 256 << 10
)

// Reasons for Rejected. Each is reported once a file.
const (
	sayReplaced = "the file was truncated or replaced: read from its start"
	sayFlood    = "too many records: those that change nothing are coalesced"
	sayLarge    = "the file is too large to be read as a whole"
)

// readAll reads all files, one after the other.
func (w *Watcher) readAll(ctx context.Context) error {
	buf := make([]byte, passBytes)
	for {
		w.placeStale()
		f, trouble := w.dequeue()
		if f == nil {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-w.poke:
			}
			continue
		}
		if err := w.pass(ctx, f, trouble, buf); err != nil {
			return err
		}
	}
}

// dequeue returns the next file. It clears queued before the file is read, so that a change during the read counts.
func (w *Watcher) dequeue() (f *file, trouble string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		w.queue = nil // frees the array
		return nil, ""
	}
	f = w.queue[0]
	w.queue = w.queue[1:]
	f.queued = false
	if f.passed != nil {
		return f, ""
	}
	return f, f.dir.trouble
}

// pass reads one file once and sends the result.
func (w *Watcher) pass(ctx context.Context, f *file, trouble string, buf []byte) error {
	if f.passed != nil {
		close(f.passed)
		return nil
	}
	if w.isRemoved(f) {
		return nil
	}
	before := f.progress
	p := &pass{file: f, batch: Batch{Source: f.src}, now: time.Now()}
	p.limit = &f.progress.limit
	p.limit.refill(p.now)
	if trouble != "" {
		p.reject(trouble)
	}
	more := w.look(p, buf)
	if p.finish(); p.empty() {
		w.goOn(f, more, p.again)
		return nil
	}
	select {
	case w.batches <- p.batch:
	case <-ctx.Done():
		f.progress = before
		for _, why := range p.batch.Rejected {
			delete(f.said, why)
		}
		return ctx.Err()
	}
	w.goOn(f, more, p.again)
	return nil
}

func (w *Watcher) isRemoved(f *file) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return f.removed
}

// goOn queues a file again: at once if it has more to read, or after holdFor if it is over its rate or (again) could
// not be opened for lack of descriptors.
func (w *Watcher) goOn(f *file, more, again bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if more {
		w.enqueue(f)
		return
	}
	if f.removed || !again && f.progress.limit.tokens >= 1 {
		return
	}
	// Only these cases start a timer, so that an idle fleet costs nothing.
	f.held, f.again = true, again || f.queued
	time.AfterFunc(holdFor, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		f.held = false
		if f.again {
			f.again = false
			w.enqueue(f)
		}
	})
}

// pass is the state of one pass over one file.
type pass struct {
	collector
	file  *file
	batch Batch
	now   time.Time
	again bool // it could not be opened for lack of descriptors, for which there is no event
}

// finish completes the batch.
func (p *pass) finish() {
	p.collector.finish()
	if p.dropped > 0 {
		p.reject(sayFlood)
	}
	p.batch.Records = p.records
	p.batch.Offset = p.file.progress.tail.offset
}

func (p *pass) empty() bool {
	return len(p.batch.Records) == 0 && len(p.batch.Rejected) == 0 && p.batch.Grew == 0
}

func (p *pass) reject(why string) {
	if !p.file.said[why] {
		p.file.said[why] = true
		p.batch.Rejected = append(p.batch.Rejected, why)
	}
}

// look opens the file and reads it. It reports whether there is more to read.
func (w *Watcher) look(p *pass, buf []byte) (more bool) {
	f, err := w.open(p.file.src.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return false // not yet written, or already moved
	case err != nil:
		p.again = errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
		p.reject("the file can't be read: " + text.Field(reasonOf(err), 120))
		return false
	}
	defer f.Close() //nolint:errcheck // only read
	if p.file.src.Whole {
		err = p.readWhole(f, buf)
	} else {
		more, err = p.readTail(f, buf)
	}
	if err != nil {
		p.reject("the file can't be read: " + text.Field(reasonOf(err), 120))
	}
	return more
}

// reasonOf returns the error's text without the path, which the source names.
func reasonOf(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}

func (p *pass) readTail(f *openFile, buf []byte) (more bool, err error) {
	if p.file.src.Parse == nil {
		buf = buf[:ownPassBytes]
	}
	t := &p.file.progress.tail
	s, err := t.read(f, f.id, f.size, buf, p.takeLine)
	if s.replaced {
		p.reject(sayReplaced)
	}
	if s.long > 0 {
		p.reject(fmt.Sprintf("a line of more than %d bytes was skipped", t.lines.max))
	}
	p.batch.Grew, p.batch.Size = s.grew, f.size
	return s.more, err
}

func (p *pass) takeLine(line []byte, at int64) {
	if len(bytes.TrimSpace(line)) == 0 {
		return
	}
	if err := p.take(line); err != nil {
		p.rejectKind("corrupt", fmt.Sprintf("corrupt line at byte %d was skipped: %s", at, text.Field(err.Error(), 160)))
	}
}

// rejectKind records one reason of a kind whose text varies.
func (p *pass) rejectKind(kind, why string) {
	if !p.file.said[kind] {
		p.file.said[kind] = true
		p.reject(why)
	}
}

func (p *pass) readWhole(f *openFile, buf []byte) error {
	pr := &p.file.progress
	if f.size > int64(len(buf)) {
		p.reject(sayLarge)
		return nil
	}
	n, err := f.ReadAt(buf, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	data := buf[:n]
	sum := sha256.Sum256(data)
	// An empty file is being rewritten.
	if n == 0 || sum == pr.sum {
		return nil
	}
	pr.sum = sum
	p.batch.Grew = int64(n)
	if err := p.take(data); err != nil {
		p.rejectKind("corrupt", "the file was not understood: "+text.Field(err.Error(), 160))
	}
	return nil
}

// take parses data and fills in the fields that its writer left out.
func (p *pass) take(data []byte) error {
	records, err := parse(p.file.src.Parse, data)
	for _, r := range records {
		if r.Time.IsZero() {
			r.Time = p.now.UTC()
		}
		if r.Gen == 0 {
			r.Gen = p.file.src.Gen
		}
		if r.Src == "" {
			r.Src = p.file.src.Name
			if p.file.src.Parse == nil {
				r.Src = "script"
			}
		}
		p.add(r)
	}
	return err
}

// parse calls the parser of a source. A panic in the parser counts as a corrupt line.
func parse(f func([]byte) ([]event.Record, error), data []byte) (records []event.Record, err error) {
	defer func() {
		if v := recover(); v != nil {
			records, err = nil, fmt.Errorf("the parser panicked: %v", v)
		}
	}()
	if f != nil {
		records, err = f(data)
		for i := range records {
			normalise(&records[i])
		}
		return records, err
	}
	r, err := Parse(data)
	if err != nil {
		return nil, err
	}
	return []event.Record{r}, nil
}

// openFile is an open file with its identity and size.
type openFile struct {
	io.ReaderAt
	io.Closer
	id   fileID
	size int64
}

// openRegular opens a file if it is a regular one. It never blocks, not even on a FIFO.
func openRegular(path string) (*openFile, error) {
	f, err := regular.Open(path)
	if errors.Is(err, regular.ErrNotRegular) {
		return nil, errNotRegular
	}
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close() //nolint:errcheck // only opened
		return nil, err
	}
	o := &openFile{ReaderAt: f, Closer: f, size: st.Size()}
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		o.id = fileID{dev: uint64(s.Dev), ino: s.Ino} //nolint:unconvert // the widths differ between systems
	}
	return o, nil
}
