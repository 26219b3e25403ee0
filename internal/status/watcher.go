package status

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"muster/internal/event"
	"muster/internal/fault"
)

// Watcher follows the files of all generations with one inotify instance. Events only say which file to read; the
// files are read from offsets. Without inotify instances or watches, all files are read every second, and watching is
// tried again. All methods may be called from any goroutine, also before Serve. None of them waits for I/O, except
// Serve.
type Watcher struct {
	batches chan Batch
	wake    chan struct{}
	poke    chan struct{} // capacity 1: the reader has work
	// troubled and changed also have capacity 1: a directory can't be watched, and Polling may have changed.
	troubled, changed chan struct{}

	mu      sync.Mutex
	files   map[key]*file
	dirs    map[string]*dir
	index   map[string][]*file // by the path under which events arrive
	byWatch map[string][]*dir  // by the directory that is watched for them
	queue   []*file            // files to read, each once
	stale   []*dir             // directories whose watch has to be renewed
	unused  []string           // watched directories without users
	blind   string             // why there is no inotify instance; "" if there is one

	fs       *fsnotify.Watcher                     // the reader's; nil while it polls
	newWatch func() (*fsnotify.Watcher, error)     // fsnotify.NewBufferedWatcher except in tests
	open     func(path string) (*openFile, error)  // openRegular except in tests
	addWatch func(*fsnotify.Watcher, string) error // (*fsnotify.Watcher).Add except in tests

	pollPause, retryPause time.Duration // the constants except in tests
}

// New returns a watcher of the status directory. Wake signals when the file wake is touched. Both paths are absolute and
// need not exist yet. The watcher does nothing before Serve.
func New(statusDir, wake string) (*Watcher, error) {
	if !filepath.IsAbs(statusDir) || !filepath.IsAbs(wake) {
		return nil, fault.New(fault.Failed, "status directory %q or wake file %q is not an absolute path", statusDir, wake)
	}
	w := &Watcher{
		batches:  make(chan Batch, 16),
		wake:     make(chan struct{}, 1),
		poke:     make(chan struct{}, 1),
		troubled: make(chan struct{}, 1),
		changed:  make(chan struct{}, 1),
		files:    map[key]*file{},
		dirs:     map[string]*dir{},
		index:    map[string][]*file{},
		byWatch:  map[string][]*dir{},
		open:     openRegular,
		newWatch: func() (*fsnotify.Watcher, error) { return fsnotify.NewBufferedWatcher(256) },
		addWatch: func(fs *fsnotify.Watcher, path string) error { return fs.Add(path) },

		pollPause: pollPause, retryPause: retryPause,
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attach(&file{wake: true}, wake)
	w.dirOf(filepath.Clean(statusDir)).refs++
	return w, nil
}

// Batches returns the channel of results. It is never closed. A slow receiver delays reading and loses nothing.
func (w *Watcher) Batches() <-chan Batch { return w.batches }

// Wake receives a value after the wake file was touched. Several touches may be combined in one value, and a value may
// arrive without a touch.
func (w *Watcher) Wake() <-chan struct{} { return w.wake }

// Serve watches until ctx is done and returns ctx's error. While the kernel reports no changes it polls, see Polling.
// It may be called again afterwards and then continues where it stopped.
func (w *Watcher) Serve(ctx context.Context) error {
	for {
		fs, err := w.newWatch()
		if err == nil {
			err = w.watch(ctx, fs)
		} else {
			err = lack(err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := w.poll(ctx, err); err != nil {
			return err
		}
	}
}

// Add follows another file, from src.From on. It replaces a source with the same task, generation and name.
func (w *Watcher) Add(src Source) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := key{src.Task, src.Gen, src.Name}
	if old := w.files[k]; old != nil {
		w.detach(old)
	}
	limit := passBytes - 1
	if src.Parse == nil {
		limit = MaxLine
	}
	f := &file{src: src, said: map[string]bool{}}
	f.progress.tail = tail{from: max(src.From, 0), lines: lines{max: limit}}
	w.files[k] = f
	w.attach(f, src.Path)
	w.enqueue(f)
}

// Remove stops following all files of a generation. A batch that was read before may still be received.
func (w *Watcher) Remove(task event.TaskID, gen int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for k, f := range w.files {
		if k.task == task && k.gen == gen {
			w.detach(f)
			delete(w.files, k)
		}
	}
	w.nudge()
}

// Follows reports whether the source "status" of a generation is followed.
func (w *Watcher) Follows(task event.TaskID, gen int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.files[key{task, gen, "status"}] != nil
}

// Rescan renews all watches and reads every file from its offset. The watcher calls it itself after an overflow; a
// supervisor may call it after the host slept.
func (w *Watcher) Rescan() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.dirs {
		w.markStale(d)
	}
	for _, f := range w.files {
		w.enqueue(f)
	}
	w.ring()
}

// pump adds files to the queue as events arrive. It does no I/O and never waits for the reader, so that the kernel's
// queue stays short.
func (w *Watcher) pump(ctx context.Context, fs *fsnotify.Watcher) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case ev, ok := <-fs.Events:
			if !ok {
				return errors.New("watch status files: the event stream ended")
			}
			w.note(ev)
		case _, ok := <-fs.Errors:
			if !ok {
				return errors.New("watch status files: the event stream ended")
			}
			// The error is an overflow, or another one after which events are missing.
			w.Rescan()
		}
	}
}

// note queues the files and directories to which an event may apply.
func (w *Watcher) note(ev fsnotify.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ev.Name = filepath.Clean(ev.Name) // in the root directory the name begins with two slashes
	for _, f := range w.index[ev.Name] {
		w.enqueue(f)
	}
	if ev.Has(fsnotify.Remove | fsnotify.Rename) {
		for _, d := range w.byWatch[ev.Name] {
			w.markStale(d)
		}
	}
	if ev.Has(fsnotify.Create) {
		for _, d := range w.byWatch[filepath.Dir(ev.Name)] {
			if !d.ready {
				w.markStale(d)
			}
		}
	}
}

// enqueue adds a file to the queue. The caller holds mu, as for the functions below.
func (w *Watcher) enqueue(f *file) {
	switch {
	case f.wake:
		w.ring()
	case f.held:
		f.again = true
	case !f.queued && !f.removed:
		f.queued = true
		w.queue = append(w.queue, f)
		w.nudge()
	}
}

func (w *Watcher) ring()  { signal(w.wake) }
func (w *Watcher) nudge() { signal(w.poke) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is enough
	}
}
