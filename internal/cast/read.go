package cast

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/regular"
)

// Names of the files of a recording: screen.cast.gz, screen.1.cast.gz, …
const (
	stem   = "screen"
	ending = ".cast.gz"
)

// Path returns the first file of the recording of a generation. It is where the agent's side neither reads nor writes.
func Path(h home.Dir, task event.TaskID, gen int) string {
	return filepath.Join(h.NewGen(task, gen).Dir, stem+ending)
}

// part returns the path of a further file; 0 is the first one.
func part(path string, n int) string {
	if n == 0 {
		return path
	}
	return fmt.Sprintf("%s.%d%s", strings.TrimSuffix(path, ending), n, ending)
}

// piece is one file of a recording.
type piece struct {
	path    string
	n       int
	bytes   int64
	changed time.Time
}

// parts returns the files of a recording that exist, in their order.
func parts(path string) (out []piece) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		n := 0
		middle, begins := strings.CutPrefix(e.Name(), stem)
		middle, ends := strings.CutSuffix(middle, ending)
		if !begins || !ends {
			continue
		}
		if middle != "" {
			if n, err = strconv.Atoi(strings.TrimPrefix(middle, ".")); err != nil || n < 1 {
				continue
			}
		}
		if st, err := e.Info(); err == nil && st.Mode().IsRegular() {
			out = append(out, piece{path: filepath.Join(filepath.Dir(path), e.Name()), n: n, bytes: st.Size(), changed: st.ModTime()})
		}
	}
	slices.SortFunc(out, func(a, b piece) int { return a.n - b.n })
	return out
}

// Recording is what was recorded of one generation.
type Recording struct {
	Task  event.TaskID
	Gen   int
	Began time.Time
	Ended time.Time // of the newest output that is on the disk
	Bytes int64     // on the disk
	Size  Size      // of the terminal at the beginning
	// Whole is false if output between the beginning and the end was not kept, because there was too much.
	Whole bool
	parts []piece
}

// Any reports whether there is a recording of one of the generations 1 to gens of a task.
func Any(h home.Dir, task event.TaskID, gens int) bool {
	for gen := gens; gen > 0; gen-- {
		if len(parts(Path(h, task, gen))) > 0 {
			return true
		}
	}
	return false
}

// Find returns the recordings of the generations 1 to gens of a task, in their order.
func Find(h home.Dir, task event.TaskID, gens int) (out []Recording) {
	for gen := 1; gen <= gens; gen++ {
		r := Recording{Task: task, Gen: gen, Whole: true, parts: parts(Path(h, task, gen))}
		if len(r.parts) == 0 {
			continue
		}
		for i, p := range r.parts {
			r.Bytes += p.bytes
			r.Ended = p.changed
			r.Whole = r.Whole && p.n == i
		}
		r.Began, r.Size = r.parts[0].changed, Size{80, 24} // nothing is written yet
		if in, err := openPart(r.parts[0].path); err == nil {
			r.Began, r.Size = in.header.Began, in.header.Size
			in.close()
		}
		out = append(out, r)
	}
	return out
}

// maxLine bounds a line of a recording. A recorder writes less.
const maxLine = 1 << 20

// reader reads one file.
type reader struct {
	file   io.Closer
	lines  *regular.Lines
	header Header
}

func openPart(path string) (*reader, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	gz, err := gzip.NewReader(f)
	if err == nil {
		r := &reader{file: f, lines: regular.NewLines(gz, maxLine)}
		var b []byte
		if b, err = r.lines.Next(); len(b) > 0 {
			if r.header, err = parseHeader(b); err == nil {
				return r, nil
			}
		}
	}
	_ = f.Close()
	return nil, fmt.Errorf("%s: %w", path, err)
}

func (r *reader) close() { _ = r.file.Close() }

// next returns the next event. An error other than io.EOF means that the rest cannot be read, as it is after the end of a
// recorder in the middle of a line.
func (r *reader) next() (Event, error) {
	b, err := r.lines.Next()
	if len(b) > 0 && b[len(b)-1] == '\n' {
		return parseEvent(b)
	}
	if err == nil {
		err = errFormat // a line that is too long
	}
	return Event{}, err
}

// Events returns the events of the recording as the agent caused them: their output is not fit for a terminal before a Filter
// has judged it. Their times never decrease. Where something is missing there is a mark, and a reset of the terminal. An
// error is one of opening a file; what was written by half ends without one.
func (r Recording) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		last := time.Duration(0)
		size := r.Size
		give := func(kind, data string) bool { return yield(Event{At: last, Kind: kind, Data: data}, nil) }
		missing := func(what string) bool { return give(Mark, LostPrefix+what) && give(Output, "\x1bc") }
		for i, p := range r.parts {
			if p.n != i && (i == 0 || r.parts[i-1].n != p.n-1) && !missing("the output before this was not kept") {
				return
			}
			in, err := openPart(p.path)
			switch {
			case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
				yield(Event{}, err)
				return
			case err != nil: // the recorder has not written anything yet, or has not been able to
				continue
			}
			if in.header.Size != size {
				size = in.header.Size
				if !give(Resize, size.String()) {
					in.close()
					return
				}
			}
			for {
				e, err := in.next()
				if err != nil {
					in.close()
					if i < len(r.parts)-1 && !errors.Is(err, io.EOF) && !missing("a part of the recording cannot be read") {
						return
					}
					break
				}
				if s, ok := ParseSize(e.Data); e.Kind == Resize && !ok {
					continue
				} else if e.Kind == Resize {
					size = s
				}
				e.At = max(e.At, last)
				last = e.At
				if !yield(e, nil) {
					in.close()
					return
				}
			}
		}
	}
}

// Export writes the recording as asciicast version 2. Its output is filtered, so that any player may show it. Idle is for players.
func (r Recording) Export(to io.Writer, idle time.Duration) error {
	title := fmt.Sprintf("%s, generation %d", r.Task, r.Gen)
	if _, err := to.Write(header(Header{Size: r.Size, Began: r.Began, Title: title, Idle: idle})); err != nil {
		return err
	}
	f := NewFilter()
	last := time.Duration(0)
	for e, err := range r.Events() {
		if err != nil {
			return err
		}
		last = e.At
		if e = f.Event(e); e.Data == "" {
			continue
		}
		if _, err := to.Write(line(e)); err != nil {
			return err
		}
	}
	_, err := to.Write(line(Event{At: last, Kind: Output, Data: Restore}))
	return err
}
