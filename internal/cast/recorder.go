package cast

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Size is the size of a terminal in characters.
type Size struct{ Columns, Rows int }

// most bounds both numbers of a Size.
const most = 1000

// String returns a size as asciicast has it: 120x40.
func (s Size) String() string { return fmt.Sprintf("%dx%d", s.Columns, s.Rows) }

func (s Size) sane() bool {
	return s.Columns > 0 && s.Rows > 0 && s.Columns <= most && s.Rows <= most
}

// Options describe a recording to be written.
type Options struct {
	// Path is that of the first file; the others lie beside it.
	Path string
	// Limit is what all files of the recording may take, in bytes.
	Limit int64
	// Size is the size of the terminal at the beginning, and Look returns what it is now.
	Size Size
	Look func() (Size, bool)
	// Ended is closed when the program in the terminal has ended. What it starts may hold the terminal open.
	Ended <-chan struct{}
	// Stop is closed when the recorder is told to end.
	Stop <-chan struct{}
	// Busy, if it is not nil, is told when output begins to come, and when all that came is written.
	Busy func(bool)
}

const (
	// flushAfter is how long something may be in memory only. The end of the recorder by a signal that it cannot see loses so much.
	flushAfter = time.Second
	// lookAfter is the least time between two looks at the size.
	lookAfter = 250 * time.Millisecond
	// retryAfter is how long nothing is written after a disk has refused something.
	retryAfter = 5 * time.Second
	// drainFor is how long more output is waited for once the program has ended, and drainMost bounds all of these waits.
	drainFor  = time.Second
	drainMost = 10 * time.Second
	// queue is the number of pieces that wait for the disk. Each is at most pieceSize bytes.
	queue     = 32
	pieceSize = 8 << 10
)

// Record writes what it reads to a recording, until its input, its program or the recorder ends. It always reads on: tmux
// keeps in memory what a recorder does not take. What the disk does not take in time or at all is left out, and the
// recording says so.
func Record(in io.Reader, o Options) error {
	w, err := create(o)
	if err != nil {
		return err
	}
	var lost atomic.Int64
	pieces := make(chan []byte, queue)
	go pump(in, pieces, &lost)
	r := recorder{w: w, o: o, lost: &lost}
	return errors.Join(r.run(pieces), w.close())
}

// pump reads pieces until the end of the input. It drops them while the queue is full.
func pump(in io.Reader, pieces chan<- []byte, lost *atomic.Int64) {
	defer close(pieces)
	buf := make([]byte, pieceSize)
	for {
		n, err := in.Read(buf)
		if n > 0 {
			select {
			case pieces <- bytes.Clone(buf[:n]):
			default:
				lost.Add(int64(n))
			}
		}
		if err != nil {
			return
		}
	}
}

// recorder is the state of Record.
type recorder struct {
	w      *writer
	o      Options
	lost   *atomic.Int64 // bytes that the queue had no room for
	rest   []byte        // the beginning of a character whose end has not come
	looked time.Time
}

func (r *recorder) run(pieces <-chan []byte) error {
	flush, drain := stopped(), stopped()
	defer flush.Stop()
	defer drain.Stop()
	ended, dirty := r.o.Ended, false
	busy := func(is bool) {
		dirty = is
		if r.o.Busy != nil {
			r.o.Busy(is)
		}
	}
	var last time.Time
	for {
		select {
		case p, more := <-pieces:
			if !more {
				return nil
			}
			now := time.Now()
			r.add(now, p)
			if !dirty {
				flush.Reset(flushAfter)
				busy(true)
			}
			if ended == nil && now.Before(last) {
				drain.Reset(min(drainFor, last.Sub(now)))
			}
		case <-flush.C:
			if again := r.w.flush(time.Now()); again > 0 {
				flush.Reset(again)
			} else {
				busy(false)
			}
		case <-ended:
			ended = nil
			last = time.Now().Add(drainMost)
			drain.Reset(drainFor)
		case <-drain.C:
			return nil
		case <-r.o.Stop:
			return nil
		}
	}
}

// stopped returns a timer that does not run.
func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// add records one piece of output.
func (r *recorder) add(now time.Time, p []byte) {
	if n := r.lost.Swap(0); n > 0 {
		r.w.lose(n)
	}
	if r.o.Look != nil && now.Sub(r.looked) >= lookAfter {
		r.looked = now
		if s, ok := r.o.Look(); ok && s.sane() && s != r.w.size {
			r.w.resize(now, s)
		}
	}
	p = append(r.rest, p...)
	whole := wholeRunes(p)
	r.rest = bytes.Clone(p[whole:])
	r.w.output(now, p[:whole])
}

// wholeRunes returns the length of the beginning of p that does not end within a character.
func wholeRunes(p []byte) int {
	for i := len(p) - 1; i >= 0 && i >= len(p)-utf8.UTFMax; i-- {
		if utf8.RuneStart(p[i]) {
			if !utf8.FullRune(p[i:]) {
				return i
			}
			break
		}
	}
	return len(p)
}

// writer writes the files of one recording. The first one holds the beginning and is kept. When it has half of what the
// recording may take, the newest output goes to others with a quarter each, of which the newest two are kept.
type writer struct {
	path    string
	limit   int64
	began   time.Time
	size    Size
	pack    *packer
	file    *os.File // nil while none could be made
	part    int      // of the file
	over    bool     // the file is complete once what is in pack is written
	written int64    // bytes in the file
	since   int      // bytes given to pack since its last flush
	missing int64    // bytes of output that were lost and are not told yet
	failed  time.Time
	last    time.Duration
}

// packEvery is how much text is compressed before its size is looked at. With what compression may add at worst, it bounds
// by how much a file could pass its limit: reserve.
const (
	packEvery = 16 << 10
	reserve   = 80 << 10
)

// LeastLimit is the least Limit of a recording.
const LeastLimit = 8 * reserve

func create(o Options) (*writer, error) {
	if !o.Size.sane() {
		o.Size = Size{Columns: 80, Rows: 24}
	}
	w := &writer{path: o.Path, limit: max(o.Limit, LeastLimit), began: time.Now().Round(0), size: o.Size, pack: newPacker()}
	if err := w.open(); err != nil {
		return nil, fmt.Errorf("begin a recording: %w", err)
	}
	return w, nil
}

// open begins a file of the recording.
func (w *writer) open() error {
	f, err := os.OpenFile(part(w.path, w.part), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w.file, w.written, w.since = f, 0, 0
	w.pack.reset()
	w.put(header(Header{Size: w.size, Began: w.began}))
	return nil
}

// room returns what the present file may take.
func (w *writer) room() int64 {
	if w.part == 0 {
		return w.limit / 2
	}
	return w.limit / 4
}

// output records a piece of output. A new file begins with an escape sequence rather than within one.
func (w *writer) output(now time.Time, p []byte) {
	if !w.over && w.written+int64(w.pack.len())+int64(w.since)+reserve > w.room() {
		cut := max(bytes.LastIndexByte(p, 0x1b), 0)
		w.event(now, Output, string(p[:cut]))
		w.pack.end()
		w.over = true
		p = p[cut:]
	}
	w.event(now, Output, string(p))
}

func (w *writer) resize(now time.Time, s Size) {
	w.size = s
	w.event(now, Resize, s.String())
}

func (w *writer) lose(n int64) { w.missing += n }

// event records an event, or that it was lost.
func (w *writer) event(now time.Time, kind, data string) {
	if data == "" {
		return
	}
	if !w.ready(now) {
		if kind == Output {
			w.missing += int64(len(data))
		}
		return
	}
	w.last = max(w.last, now.Round(0).Sub(w.began).Round(time.Millisecond)) // people ask for the time of day, so a sleep of the machine counts
	if w.missing > 0 {
		w.put(line(Event{At: w.last, Kind: Mark, Data: lostMark(w.missing)}))
		w.missing = 0
	}
	w.put(line(Event{At: w.last, Kind: kind, Data: data}))
	if w.since >= packEvery {
		w.flush(now)
	}
}

func (w *writer) put(b []byte) {
	w.pack.write(b)
	w.since += len(b)
}

// ready reports whether something can be recorded now. It does what a full disk had refused, and begins the next file.
func (w *writer) ready(now time.Time) bool {
	if !w.failed.IsZero() && now.Sub(w.failed) < retryAfter {
		return false
	}
	if !w.failed.IsZero() || w.over {
		if w.file != nil && w.drain(now) != nil {
			return false
		}
		w.failed = time.Time{}
	}
	if w.over {
		if w.file != nil {
			_ = w.file.Close()
			w.file = nil
			w.part++
		}
		if old := w.part - 2; old > 0 {
			if err := os.Remove(part(w.path, old)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				w.failed = now
				return false
			}
		}
		if err := w.open(); err != nil {
			w.failed = now
			return false
		}
		w.over = false
	}
	return true
}

// flush writes to the file what is in memory. It returns after which time it is to be called again; 0 if everything is written.
func (w *writer) flush(now time.Time) time.Duration {
	switch {
	case !w.failed.IsZero() && now.Sub(w.failed) < retryAfter:
		return retryAfter
	case w.file == nil:
		return 0
	case !w.over:
		w.pack.flush()
		w.since = 0
	}
	if w.drain(now) != nil {
		return retryAfter
	}
	return 0
}

// drain writes what is compressed. What a full disk has taken of it is taken back, so that the file never ends with a half of it.
func (w *writer) drain(now time.Time) error {
	b := w.pack.bytes()
	if _, err := w.file.WriteAt(b, w.written); err != nil {
		_ = w.file.Truncate(w.written)
		w.failed = now
		return err
	}
	w.written += int64(len(b))
	w.pack.drop()
	w.failed = time.Time{}
	return nil
}

func (w *writer) close() error {
	if w.file == nil {
		return nil
	}
	if !w.over {
		if w.missing > 0 {
			w.put(line(Event{At: w.last, Kind: Mark, Data: lostMark(w.missing)}))
		}
		w.pack.end()
	}
	return errors.Join(w.drain(time.Now()), w.file.Close())
}
