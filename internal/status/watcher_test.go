package status

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"muster/internal/event"
)

// patience is how long a test waits for an expected event.
const patience = 20 * time.Second

// quiet is how long a test waits to see that nothing happens.
const quiet = 150 * time.Millisecond

// rig is a running watcher.
type rig struct {
	*Watcher
	t    testing.TB
	dir  string
	stop func()
}

func newRig(t testing.TB, prepare ...func(*Watcher)) *rig {
	t.Helper()
	dir := t.TempDir()
	w, err := New(dir, filepath.Join(dir, "wake"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range prepare {
		p(w)
	}
	r := &rig{Watcher: w, t: t, dir: dir}
	r.serve()
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *rig) serve() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			r.t.Errorf("Serve: %v", err)
		}
		done <- context.Canceled // for a second call
	}
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

// status adds the status file of a task and returns its path.
func (r *rig) status(task event.TaskID) string {
	path := r.path(string(task) + ".1.jsonl")
	r.Add(Source{Task: task, Gen: 1, Name: "status", Path: path})
	return path
}

func (r *rig) next() Batch {
	r.t.Helper()
	select {
	case b := <-r.Batches():
		return b
	case <-time.After(patience):
		r.t.Fatal("no batch came")
		panic("unreachable")
	}
}

// until collects batches until one satisfies ok.
func (r *rig) until(what string, ok func(Batch) bool) (all []Batch) {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case b := <-r.Batches():
			if all = append(all, b); ok(b) {
				return all
			}
		case <-deadline:
			r.t.Fatalf("never came: %s; got %d batches, the last %+v", what, len(all), all[max(0, len(all)-3):])
		}
	}
}

func (r *rig) silence() {
	r.t.Helper()
	select {
	case b := <-r.Batches():
		r.t.Fatalf("unexpected batch %+v", b)
	case <-time.After(quiet):
	}
}

func hasNote(note string) func(Batch) bool {
	return func(b Batch) bool {
		return slices.ContainsFunc(b.Records, func(r event.Record) bool { return r.Note == note })
	}
}

func says(part string) func(Batch) bool {
	return func(b Batch) bool {
		return slices.ContainsFunc(b.Rejected, func(s string) bool { return strings.Contains(s, part) })
	}
}

func put(t testing.TB, path, note string) {
	t.Helper()
	if err := Append(path, event.Record{State: event.RecordWorking, Note: note}); err != nil {
		t.Fatal(err)
	}
}

// write appends raw bytes.
func write(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// replace puts a file in place by rename.
func replace(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".tmp", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
}

// linesParser makes a record of each line, with the line as its note.
func linesParser(data []byte) ([]event.Record, error) {
	return []event.Record{{State: event.RecordWorking, Note: string(data)}}, nil
}

func TestWatcherGivesWhatAShellAppends(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := r.status("t1")
	write(t, path, `{"state":"working","note":"tests"}`+"\n")
	b := r.until("the record", hasNote("tests"))[0]
	got := b.Records[0]
	if got.Gen != 1 || got.Src != "script" || got.Time.IsZero() || got.V != 1 {
		t.Errorf("record not filled in: %+v", got)
	}
	if b.Source.Task != "t1" || b.Source.Name != "status" || b.Grew != 35 || b.Offset != 35 {
		t.Errorf("batch is %+v", b)
	}
	r.silence()
}

func TestATornLineIsWaitedForAndACorruptOneReportedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := r.status("t1")
	write(t, path, `{"state":"wor`)
	b := r.next()
	if len(b.Records) != 0 || len(b.Rejected) != 0 || b.Grew != 13 || b.Offset != 0 {
		t.Errorf("a torn line gave %+v", b)
	}
	write(t, path, `king","note":"whole"}`+"\n")
	r.until("the whole line", hasNote("whole"))
	write(t, path, "rubbish\n")
	r.until("the report", says("corrupt line at byte 35"))
	write(t, path, "rubbish\n\n"+strings.Repeat("x", MaxLine+1)+"\n")
	put(t, path, "after")
	var rejected []string
	for _, b := range r.until("the record after", hasNote("after")) {
		rejected = append(rejected, b.Rejected...)
	}
	if len(rejected) != 1 || !strings.Contains(rejected[0], "more than 65536 bytes") {
		t.Errorf("rejected %q, want the long line alone", rejected)
	}
}

func TestAReplacedFileIsReadFromItsStart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := r.status("t1")
	put(t, path, "old")
	r.until("old", hasNote("old"))
	replace(t, path, `{"state":"idle","note":"renamed, longer than the one before it was by far, so that size tells nothing"}`+
		strings.Repeat(" ", 300)+"\n")
	all := r.until("renamed", func(b Batch) bool { return len(b.Records) > 0 })
	if b := all[len(all)-1]; !strings.HasPrefix(b.Records[0].Note, "renamed") || !says("replaced")(b) {
		t.Errorf("batch is %+v", b)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	put(t, path, "truncated")
	r.until("truncated", hasNote("truncated"))
}

func TestAWholeFileGivesABatchForEachContent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := r.path("4711.json")
	r.Add(Source{Task: "t1", Gen: 1, Name: "claude.session", Path: path, Whole: true, Parse: func(data []byte) ([]event.Record, error) {
		if !strings.HasSuffix(string(data), "}") {
			return nil, errors.New("half of it")
		}
		return linesParser(data)
	}})
	replace(t, path, "{busy\n}")
	if b := r.next(); len(b.Records) != 1 || b.Records[0].Note != "{busy }" || b.Records[0].Src != "claude.session" {
		t.Errorf("batch is %+v", b)
	}
	replace(t, path, "{busy\n}")
	r.Rescan()
	r.silence()
	if err := os.WriteFile(path, []byte("{idle}"), 0o600); err != nil { // rewritten in place
		t.Fatal(err)
	}
	r.until("idle", hasNote("{idle}"))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r.silence()
	replace(t, path, "{hal")
	r.until("the report", says("not understood"))
	replace(t, path, strings.Repeat("x", passBytes+1))
	r.until("the report", says("too large"))
	replace(t, path, "{back}")
	r.until("back", hasNote("{back}"))
}

func TestOnlyRegularFilesAreRead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	target := r.path("secret")
	put(t, target, "secret")
	for name, make := range map[string]func(string) error{
		"link":   func(p string) error { return os.Symlink(target, p) },
		"fifo":   func(p string) error { return unix.Mkfifo(p, 0o600) },
		"dir":    func(p string) error { return os.Mkdir(p, 0o700) },
		"device": func(p string) error { return os.Symlink("/dev/zero", p) },
	} {
		path := r.path(name)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		r.Add(Source{Task: "t1", Gen: 1, Name: name, Path: path})
		if b := r.next(); len(b.Records) != 0 || !says("can't be read")(b) {
			t.Errorf("%s gave %+v", name, b)
		}
		r.silence() // reported once
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		put(t, path, "good "+name)
		r.until("the regular file", hasNote("good "+name))
	}
}

func TestAnUnreadableFileIsReportedOnceAndTriedAgain(t *testing.T) {
	t.Parallel()
	var fault atomic.Pointer[error]
	set := func(err error) { fault.Store(&err) }
	set(syscall.EACCES)
	r := newRig(t, func(w *Watcher) {
		w.open = func(path string) (*openFile, error) {
			if err := *fault.Load(); err != nil {
				return nil, &os.PathError{Op: "open", Path: path, Err: err}
			}
			return openRegular(path)
		}
	})
	path := r.status("t1")
	if b := r.next(); !says("permission denied")(b) || says(path)(b) {
		t.Errorf("batch is %+v", b)
	}
	put(t, path, "one")
	r.silence()
	set(nil)
	put(t, path, "two")
	if b := r.until("two", hasNote("two"))[0]; len(b.Records) != 2 {
		t.Errorf("batch is %+v", b)
	}
	// A lack of descriptors ends without an event, so the watcher must retry by itself.
	set(syscall.EMFILE)
	put(t, path, "three")
	r.until("the report", says("too many open files"))
	set(nil)
	r.until("three", hasNote("three"))
}

func TestARealOverflowLosesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := r.status("t1")
	put(t, path, "before")
	r.until("before", hasNote("before"))
	drainWake(r.Watcher)
	r.mu.Lock() // the pump blocks, and the kernel's queue overflows
	limit := 16384
	if raw, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events"); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(raw))); err == nil {
			limit = n
		}
	}
	other := r.path("other")
	for i := range 2*limit + 5000 { // alternating, because equal events in a row are merged
		write(t, []string{other, other + "2"}[i%2], "x")
	}
	put(t, path, "during")
	write(t, r.path("wake"), "x")
	r.mu.Unlock()
	r.until("what fell out of the queue", hasNote("during"))
	select {
	case <-r.Wake():
	case <-time.After(patience):
		t.Error("the wake was lost")
	}
}

func drainWake(w *Watcher) {
	select {
	case <-w.Wake():
	default:
	}
}

func TestWakeTellsOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := r.status("t1")
	put(t, path, "ready")
	r.until("ready", hasNote("ready"))
	drainWake(r.Watcher)
	for range 10 {
		now := time.Now()
		write(t, r.path("wake"), "")
		if err := os.Chtimes(r.path("wake"), now, now); err != nil { // a touch that writes nothing
			t.Fatal(err)
		}
		select {
		case <-r.Wake():
		case <-time.After(patience):
			t.Fatal("no wake came")
		}
	}
}

func TestAFloodStarvesNobodyAndLosesNoChange(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	flood, calm := r.status("t1"), r.status("t2")
	same := strings.Repeat(`{"state":"working","note":"spin"}`+"\n", 2000)
	for i := range 20 {
		write(t, flood, same)
		write(t, flood, `{"state":"working","note":"spin","usage":{"input_tokens":`+strconv.Itoa(i)+`,"output_tokens":0,"cost_usd":0}}`+"\n")
		write(t, flood, fmt.Sprintf(`{"state":"waiting","reason":"permission","request":"q%d"}`+"\n", i))
		write(t, flood, `{"state":"working","note":"spin"}`+"\n")
	}
	write(t, flood, `{"state":"working","message":"m1"}`+"\n"+`{"state":"working","message":"m1"}`+"\n"+same+`{"state":"done","note":"end"}`+"\n")
	put(t, calm, "calm")
	var records []event.Record
	rejected, calmly := 0, false
	r.until("all", func(b Batch) bool {
		if b.Source.Task == "t2" {
			calmly = true
			return false
		}
		records = append(records, b.Records...)
		rejected += len(b.Rejected)
		return hasNote("end")(b)
	})
	if !calmly {
		r.until("calm", hasNote("calm"))
	}
	requests, acks, spins := 0, 0, 0
	for _, rec := range records {
		switch {
		case rec.State == event.RecordWaiting:
			if want := "q" + strconv.Itoa(requests); rec.Request != want {
				t.Fatalf("request %q, want %q", rec.Request, want)
			}
			requests++
		case rec.Message == "m1":
			acks++
		case rec.Note == "spin":
			spins++
		}
	}
	if requests != 20 || acks != 2 {
		t.Errorf("%d of 20 requests, %d of 2 acknowledgements", requests, acks)
	}
	if spins > recordsBurst+1500 || rejected != 1 {
		t.Errorf("%d of 42020 equal records came through, said %d times", spins, rejected)
	}
	var usage int64
	for _, rec := range records {
		if rec.Usage != nil {
			usage = rec.Usage.InputTokens
		}
	}
	if usage != 19 {
		t.Errorf("the newest usage is %d, want 19: it was coalesced away", usage)
	}
}

func TestRemoveEndsAFileAndItsWatch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	kept := r.status("t1")
	further := r.path("further")
	if err := os.Mkdir(further, 0o700); err != nil {
		t.Fatal(err)
	}
	for task := range 3 {
		id := event.NewTaskID(task + 2)
		r.Add(Source{Task: id, Gen: 1, Name: "x", Path: filepath.Join(further, string(id))})
		put(t, filepath.Join(further, string(id)), string(id))
		r.until(string(id), hasNote(string(id)))
	}
	r.Remove("t2", 1)
	put(t, filepath.Join(further, "t2"), "unheard")
	put(t, filepath.Join(further, "t3"), "heard")
	for _, b := range r.until("heard", hasNote("heard")) {
		if b.Source.Task == "t2" {
			t.Errorf("a removed file was read: %+v", b)
		}
	}
	r.Remove("t3", 1)
	r.Remove("t4", 1)
	put(t, kept, "kept")
	r.until("kept", hasNote("kept"))
	if got := r.fs.WatchList(); len(got) != 1 {
		t.Errorf("watched are %q, want the status directory alone", got)
	}
}

func TestStoredOffsetsTakeUpWhereReadingStopped(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := r.status("t1")
	var offset int64
	for i := range 50 {
		note := strconv.Itoa(i)
		put(t, path, note)
		all := r.until(note, hasNote(note))
		offset = all[len(all)-1].Offset
		if i%10 == 9 { // a new supervisor
			put(t, path, "while away "+note)
			r.Remove("t1", 1)
			r.Add(Source{Task: "t1", Gen: 1, Name: "status", Path: path, From: offset})
			b := r.next()
			if len(b.Records) != 1 || b.Records[0].Note != "while away "+note || len(b.Rejected) > 0 {
				t.Fatalf("after a restart came %+v", b)
			}
		}
	}
}

func TestServeGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := r.status("t1")
	put(t, path, "one")
	r.until("one", hasNote("one"))
	r.stop()
	put(t, path, "two")
	r.serve()
	if b := r.next(); len(b.Records) != 1 || b.Records[0].Note != "two" {
		t.Errorf("batch is %+v", b)
	}
	put(t, path, "three")
	r.until("three", hasNote("three"))
}

func TestABatchNobodyTookIsGivenAfterARestart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := r.status("t1")
	for i := range 40 { // more than the channel holds
		put(t, path, strconv.Itoa(i))
		for deadline := time.Now().Add(patience); len(r.Batches()) < min(i+1, cap(r.Batches())) && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
	}
	r.stop()
	r.serve()
	got := 0
	r.until("the last", func(b Batch) bool {
		for _, rec := range b.Records {
			if rec.Note != strconv.Itoa(got) {
				t.Fatalf("record %q, want %d", rec.Note, got)
			}
			got++
		}
		return got == 40
	})
}

func TestALargeTranscriptIsNeverReadWhole(t *testing.T) {
	t.Parallel()
	var read atomic.Int64
	r := newRig(t, func(w *Watcher) {
		w.open = func(path string) (*openFile, error) {
			f, err := openRegular(path)
			if err == nil {
				f.ReaderAt = countingReader{f.ReaderAt, &read}
			}
			return f, err
		}
	})
	path := r.path("transcript.jsonl")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 500<<20); err != nil {
		t.Fatal(err)
	}
	write(t, path, "\nlast line\n")
	r.Add(Source{Task: "t1", Gen: 1, Name: "transcript", Path: path, From: 500<<20 + 1, Parse: linesParser})
	b := r.next()
	if len(b.Records) != 1 || b.Records[0].Note != "last line" || len(b.Rejected) > 0 || b.Offset != 500<<20+11 {
		t.Errorf("batch is %+v", b)
	}
	write(t, path, "new line\n")
	r.until("the new line", hasNote("new line"))
	if n := read.Load(); n > 1<<10 {
		t.Errorf("%d bytes were read", n)
	}
}

type countingReader struct {
	io.ReaderAt
	n *atomic.Int64
}

func (c countingReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	c.n.Add(int64(n))
	return n, err
}

func TestAParserThatPanicsRejectsItsLineOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	path := r.path("f")
	r.Add(Source{Task: "t1", Gen: 1, Name: "x", Path: path, Parse: func(data []byte) ([]event.Record, error) {
		if string(data) == "bad" {
			panic("index out of range")
		}
		return linesParser(data)
	}})
	write(t, path, "bad\ngood\n")
	if b := r.next(); !says("panicked")(b) || !hasNote("good")(b) {
		t.Errorf("batch is %+v", b)
	}
}

// idle watches fifty unchanged files and prints the processor time of one second.
func idle(dir string) {
	w, err := New(dir, filepath.Join(dir, "wake"))
	if err != nil {
		os.Exit(3)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go w.Serve(ctx) //nolint:errcheck // the process ends anyway
	for i := range 50 {
		path := filepath.Join(dir, strconv.Itoa(i))
		if err := Append(path, event.Record{State: event.RecordWorking}); err != nil {
			os.Exit(4)
		}
		w.Add(Source{Task: event.NewTaskID(i + 1), Gen: 1, Name: "status", Path: path})
		<-w.Batches()
	}
	var before, after unix.Rusage
	time.Sleep(300 * time.Millisecond) // until the start is over
	if unix.Getrusage(unix.RUSAGE_SELF, &before) != nil {
		os.Exit(5)
	}
	time.Sleep(time.Second)
	if unix.Getrusage(unix.RUSAGE_SELF, &after) != nil {
		os.Exit(5)
	}
	fmt.Println((after.Nvcsw + after.Nivcsw) - (before.Nvcsw + before.Nivcsw))
}

func TestAnIdleFleetCostsNothing(t *testing.T) {
	t.Parallel()
	out, err := role(t, "idle", t.TempDir(), "", 0).Output()
	if err != nil {
		t.Fatal(err)
	}
	switches, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	// The threads of the runtime wake up occasionally. A poll of fifty files would show as thousands of switches.
	if switches > 60 {
		t.Errorf("a second of idleness took %d context switches", switches)
	}
}

func BenchmarkAppendToBatch(b *testing.B) {
	r := newRig(b)
	path := r.status("t1")
	put(b, path, "warm")
	r.until("warm", hasNote("warm"))
	b.ResetTimer()
	for b.Loop() {
		if err := Append(path, event.Record{State: event.RecordIdle, Prompted: true}); err != nil {
			b.Fatal(err)
		}
		for got := 0; got == 0; {
			got = len(r.next().Records)
		}
		b.StopTimer()
		time.Sleep(5 * time.Millisecond) // below the rate limit, like agents
		b.StartTimer()
	}
}

func BenchmarkAppend(b *testing.B) {
	path := filepath.Join(b.TempDir(), "t1.1.jsonl")
	for b.Loop() {
		if err := Append(path, event.Record{State: event.RecordWorking, Tool: "Bash", Note: "go test ./..."}); err != nil {
			b.Fatal(err)
		}
	}
}
