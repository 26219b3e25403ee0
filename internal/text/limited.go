package text

import (
	"bytes"
	"errors"
)

// ErrFull is the error of a Limited that cannot take more.
var ErrFull = errors.New("the text is too long")

// Limited is a writer that keeps the first Most bytes. A write that would exceed them fails with ErrFull, which ends the program
// that writes.
type Limited struct {
	Most int
	kept bytes.Buffer // not embedded: its ReadFrom knows no limit
	full bool
}

// Write implements io.Writer.
func (w *Limited) Write(p []byte) (int, error) {
	if w.kept.Len()+len(p) > w.Most {
		w.full = true
		return 0, ErrFull
	}
	return w.kept.Write(p)
}

// String returns what was kept.
func (w *Limited) String() string { return w.kept.String() }

// Full reports whether a write was refused, so that String is not all of the text.
func (w *Limited) Full() bool { return w.full }
