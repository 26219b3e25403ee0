package regular

import (
	"bufio"
	"errors"
	"io"
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
