package fleettest

import (
	"context"
	"fmt"
	"time"

	"muster/internal/event"
	"muster/internal/fleet"
	"muster/internal/life"
)

// fileKey names a file that an agent or one of its hooks appends to.
type fileKey struct {
	task   event.TaskID
	gen    int
	source string
}

func (k fileKey) String() string { return fmt.Sprintf("%s.%d.%s", k.task, k.gen, k.source) }

// sources lists the files of each generation: the status file of its hooks and its transcript.
var sources = []string{"status", "transcript"}

type file struct {
	records []event.Record
	tail    *tail
	size    int64 // in bytes, if it matters
}

// tail follows a file for one supervisor.
type tail struct {
	key   fileKey
	who   string
	file  *file
	at    int           // number of records taken from Batches
	more  chan struct{} // something was appended
	hurry chan struct{} // a caller of Flush waits
	stop  chan struct{} // the file is no longer followed
	taken []waiter
}

type waiter struct {
	until int
	done  chan struct{}
}

// says writes a record of an agent. It may be lost, be written twice, or come from both sources. The caller holds mu.
func (w *World) says(p *proc, r event.Record) {
	l := w.Luck
	r.Gen, r.Time = p.gen, w.now()
	if l.Fault("a record stands in the transcript, too", p.who, 100) {
		r.Src = "transcript"
		w.append(fileKey{p.task, p.gen, "transcript"}, r)
	}
	if l.Fault("a record is lost", p.who, 5) {
		return
	}
	r.Src = event.SrcHook
	if l.Fault("a writer has the wrong time", p.who, 10) {
		r.Time = r.Time.Add(l.Span("a wrong time", p.who, 2*time.Hour) - time.Hour)
	}
	if l.Fault("a hook is slow", p.who, 10) { // later records overtake this one
		pause := l.Span("a slow hook", p.who, 30*time.Second)
		w.wg.Go(func() {
			time.Sleep(pause)
			w.set(func() { w.append(fileKey{p.task, p.gen, "status"}, r) })
		})
		return
	}
	w.append(fileKey{p.task, p.gen, "status"}, r)
	if l.Fault("a record is written twice", p.who, 30) {
		w.append(fileKey{p.task, p.gen, "status"}, r)
	}
}

// append adds a record to a file. The caller holds mu.
func (w *World) append(k fileKey, r event.Record) {
	f := w.file(k)
	f.records = append(f.records, r)
	if f.tail != nil {
		poke(f.tail.more)
	}
}

func (w *World) file(k fileKey) *file {
	if w.files[k] == nil {
		w.files[k] = &file{}
	}
	return w.files[k]
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Follow implements fleet.Records.
func (e *edges) Follow(t life.Task) {
	for _, source := range sources {
		k := fileKey{t.ID, t.Gen, source}
		from, _ := e.w.Log.Offset(context.Background(), k.String())
		e.w.mu.Lock()
		if _, known := e.tails[k]; !known && !e.dead() {
			f := e.w.file(k)
			tl := &tail{key: k, who: e.w.names[t.ID] + " " + source, file: f, at: int(from), more: make(chan struct{}, 1), hurry: make(chan struct{}, 1), stop: make(chan struct{})}
			f.tail, e.tails[k] = tl, tl
			e.w.wg.Go(func() { e.pump(tl) })
		}
		e.w.mu.Unlock()
	}
}

// pump sends the records of a file in order, sometimes late.
func (e *edges) pump(t *tail) {
	w := e.w
	for {
		w.mu.Lock()
		pending := t.at < len(t.file.records)
		w.mu.Unlock()
		if !pending {
			select {
			case <-t.more:
				continue
			case <-t.stop:
			case <-e.ctx.Done():
			}
			return
		}
		pause := w.Luck.Span("a record's way", t.who, 20*time.Millisecond)
		if w.Luck.Fault("records come late", t.who, 20) {
			pause += w.Luck.Span("late records", t.who, 4*time.Minute)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-t.hurry:
		case <-t.stop:
		case <-e.ctx.Done():
		}
		timer.Stop()
		w.mu.Lock()
		to := len(t.file.records)
		b := fleet.Batch{
			Task: t.key.task, Gen: t.key.gen, Source: t.key.source, Key: t.key.String(), Offset: int64(to),
			Records: append([]event.Record(nil), t.file.records[t.at:to]...), Grew: true,
		}
		if w.Luck.Fault("a file grows without end", t.who, 1) {
			t.file.size = 1 << 40
		}
		b.Size = t.file.size
		if w.Luck.Fault("a line is no record", t.who, 5) {
			b.Refused = []string{"not a record"}
		}
		w.mu.Unlock()
		select {
		case e.batches <- b:
		case <-t.stop:
			return
		case <-e.ctx.Done():
			return
		}
		w.mu.Lock()
		if !w.Luck.Fault("a file is read again", t.who, 10) {
			t.at = to
		}
		t.free()
		w.mu.Unlock()
	}
}

// free wakes the callers of Flush if everything that they wait for was taken. The caller holds mu.
func (t *tail) free() {
	left := t.taken[:0]
	for _, x := range t.taken {
		if x.until <= t.at {
			close(x.done)
		} else {
			left = append(left, x)
		}
	}
	t.taken = left
}

// Flush implements fleet.Records.
func (e *edges) Flush(ctx context.Context, id event.TaskID, gen int) {
	for _, source := range sources {
		e.w.mu.Lock()
		t := e.tails[fileKey{id, gen, source}]
		if t == nil || e.dead() {
			e.w.mu.Unlock()
			continue
		}
		x := waiter{until: len(t.file.records), done: make(chan struct{})}
		t.taken = append(t.taken, x)
		t.free()
		poke(t.hurry)
		e.w.mu.Unlock()
		select {
		case <-x.done:
		case <-t.stop:
		case <-ctx.Done():
		case <-e.ctx.Done():
		}
	}
}

// Forget implements fleet.Records.
func (e *edges) Forget(id event.TaskID, gen int) {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	for _, source := range sources {
		k := fileKey{id, gen, source}
		t := e.tails[k]
		if t == nil || e.dead() {
			continue
		}
		close(t.stop)
		delete(e.tails, k)
		if t.file.tail == t {
			t.file.tail = nil
		}
	}
}

// Follows implements fleet.Records.
func (e *edges) Follows(id event.TaskID, gen int) bool {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	return e.tails[fileKey{id, gen, sources[0]}] != nil
}

// Batches implements fleet.Records.
func (e *edges) Batches() <-chan fleet.Batch { return e.batches }

// Wake implements fleet.Records.
func (e *edges) Wake() <-chan struct{} { return e.wake }
