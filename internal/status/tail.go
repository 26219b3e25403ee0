package status

import (
	"bytes"
	"errors"
	"io"
)

// markBytes is the number of bytes before the read position that are kept to recognise the file.
const markBytes = 64

// fileID identifies an existing file on one machine.
type fileID struct{ dev, ino uint64 }

// tail follows one growing file. It keeps no descriptor, so that the file can be moved, removed or replaced.
type tail struct {
	lines   lines
	from    int64 // From of the source
	started bool
	id      fileID
	pos     int64  // where the next read begins
	offset  int64  // the start of the first line that was not consumed
	seen    int64  // the greatest size seen
	mark    []byte // the bytes before pos; never changed in place
}

// step is the result of one read of a tail.
type step struct {
	grew     int64
	replaced bool // the file was replaced or truncated, and was read from its start
	long     int  // lines over the limit
	more     bool // there is more to read now
}

// read takes one pass over r, whose identity and size were read just before. It reads at most len(buf) bytes and
// passes their complete lines to yield with their offsets. The bytes are valid only during the call of yield.
func (t *tail) read(r io.ReaderAt, id fileID, size int64, buf []byte, yield func(line []byte, at int64)) (step, error) {
	var s step
	if !t.started {
		t.begin(id)
	}
	known, err := t.knows(r, id, size)
	if err != nil {
		return s, err
	}
	if !known {
		s.replaced = true
		t.from = 0
		t.begin(id)
	}
	if size > t.seen {
		s.grew = size - t.seen
		t.seen = size
	}
	data := buf[:min(int64(len(buf)), max(size-t.pos, 0))]
	n, err := r.ReadAt(data, t.pos)
	if err != nil && !errors.Is(err, io.EOF) {
		return s, err
	}
	data = data[:n]
	start := t.pos
	consumed, long := t.lines.cut(data, func(line []byte, at int) { yield(line, start+int64(at)) })
	t.advance(data[:consumed])
	s.long = long
	s.more = n == len(buf) && consumed > 0 && t.pos < size
	return s, nil
}

// begin sets the position at which reading a new file starts.
func (t *tail) begin(id fileID) {
	*t = tail{lines: lines{max: t.lines.max}, from: t.from, started: true, id: id}
	if t.from > 0 {
		// An offset always follows a line end. Without a line end before it, the offset belongs to another file.
		t.pos, t.mark = t.from, []byte{'\n'}
	}
	t.offset, t.seen = t.pos, t.pos
}

// knows reports whether r is the file that was read before. The mark detects what the identity does not: a file rewritten
// in place, and a new file with the inode of a deleted one.
func (t *tail) knows(r io.ReaderAt, id fileID, size int64) (bool, error) {
	if t.id != id || size < t.pos {
		return false, nil
	}
	have := make([]byte, len(t.mark))
	n, err := r.ReadAt(have, t.pos-int64(len(t.mark)))
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return bytes.Equal(have[:n], t.mark), nil
}

func (t *tail) advance(done []byte) {
	if len(done) == 0 {
		return
	}
	t.pos += int64(len(done))
	if !t.lines.skipping {
		t.offset = t.pos
	}
	keep := done[max(0, len(done)-markBytes):]
	old := t.mark[max(0, len(t.mark)-(markBytes-len(keep))):]
	t.mark = append(append(make([]byte, 0, markBytes), old...), keep...)
}
