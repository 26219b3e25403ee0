package status

import (
	"bytes"
	"errors"
	"io"
	"io/fs"

	"muster/internal/event"
)

// OpenTool finds the use of a tool that the end of a status file tells has begun and not ended; "" if there is none.
// Of several the newest counts. Only the last 256 KiB are read: what began before them and still runs was silent for
// longer than any tool may be. A file that does not exist tells of none.
func OpenTool(path string) (string, error) {
	f, err := openRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // only read
	from := max(0, f.size-tailBytes)
	data, err := io.ReadAll(io.NewSectionReader(f, from, f.size-from))
	if err != nil {
		return "", err
	}
	if from > 0 { // begins within a line
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	var open toolUses
	for line := range bytes.Lines(data) {
		if r, err := Parse(line); err == nil {
			open.take(r)
		}
	}
	if len(open) == 0 {
		return "", nil
	}
	return open[len(open)-1].Tool, nil
}

// toolUses are the records that began a use of a tool which has not ended, in their order.
type toolUses []event.Record

func (u *toolUses) take(r event.Record) {
	switch {
	case r.State != event.RecordWorking && r.State != event.RecordWaiting, r.Prompted: // a turn begins or ends
		*u = nil
	case r.State == event.RecordWaiting: // its hook tells of the same use
	case r.Tool != "":
		u.end(r.ToolUseID)
		*u = append(*u, r)
	default:
		u.end(r.ToolUseID)
	}
}

func (u *toolUses) end(id string) {
	var left toolUses
	for _, r := range *u {
		if r.ToolUseID != id {
			left = append(left, r)
		}
	}
	*u = left
}
