package regular

import (
	"bufio"
	"errors"
	"io"
	"math"
)

// Lines reads lines into one buffer: transcripts of hundreds of megabytes are common.
type Lines struct {
	in    *bufio.Reader
	limit int
	buf   []byte
}

// NewLines returns a reader of lines. A line of more than limit bytes is left out; 0 means that there is no limit.
func NewLines(r io.Reader, limit int) *Lines {
	return &Lines{in: bufio.NewReaderSize(r, 256<<10), limit: limit}
}

// Next returns a line with its newline, which is missing if there is an error. It returns an empty line for one that is too long.
// The line is valid until the next call. The error at the end is io.EOF.
func (l *Lines) Next() ([]byte, error) {
	line, err := l.in.ReadSlice('\n')
	size := len(line)
	if errors.Is(err, bufio.ErrBufferFull) {
		l.buf = append(l.buf[:0], line...)
		for errors.Is(err, bufio.ErrBufferFull) {
			line, err = l.in.ReadSlice('\n')
			if size += len(line); l.limit == 0 || size <= l.limit {
				l.buf = append(l.buf, line...)
			}
		}
		line = l.buf
	}
	if l.limit > 0 && size > l.limit {
		return nil, err
	}
	return line, err
}

// EachLine calls yield with the lines of a regular file until yield returns false. A line is valid only within yield. A torn last
// line ends the file.
func EachLine(path string, yield func(line []byte) bool) error {
	return EachLineOfTail(path, math.MaxInt64, yield)
}

// EachLineOfTail is EachLine for the last bytes of a file, from the beginning of a line.
func EachLineOfTail(path string, last int64, yield func(line []byte) bool) error {
	f, err := Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	st, err := f.Stat()
	if err != nil {
		return err
	}
	skip := st.Size() > last
	if skip {
		if _, err := f.Seek(st.Size()-last, io.SeekStart); err != nil {
			return err
		}
	}
	for in := NewLines(f, 0); ; skip = false {
		line, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil || !skip && !yield(line) {
			return err
		}
	}
}
