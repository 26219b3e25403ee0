package status

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"

	"muster/internal/event"
)

// tailBytes is how much of the end of a status file OpenTool reads.
const tailBytes = 256 << 10

// OpenTool returns the name of the tool whose use began and has not ended, according to a status file. It returns ""
// if no use is open or the file does not exist. If several are open it returns the newest. It reads only the last 256
// KiB: a tool that began before them and still runs has been silent for longer than any tool may be.
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
	if from > 0 { // the first line is incomplete
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

// toolUses holds the records of tool uses that have begun and not ended, oldest first.
type toolUses []event.Record

func (u *toolUses) take(r event.Record) {
	switch {
	case r.State != event.RecordWorking && r.State != event.RecordWaiting, r.Prompted: // a turn begins or ends
		*u = nil
	case r.State == event.RecordWaiting: // the hook of the same use reports it
	case r.Request != "" && u.has(r.Tool): // an answer about a use that has begun; some requests name no use, or one of their own
	case r.Tool != "":
		u.end(r.ToolUseID)
		*u = append(*u, r)
	default:
		u.end(r.ToolUseID)
	}
}

// has reports whether a use of a tool is open.
func (u *toolUses) has(tool string) bool {
	return slices.ContainsFunc(*u, func(r event.Record) bool { return r.Tool == tool })
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
