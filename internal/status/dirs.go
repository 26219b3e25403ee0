package status

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"muster/internal/text"
)

// dir is a directory in which files are expected. While it does not exist, its nearest ancestor is watched. All fields
// are guarded by Watcher.mu.
type dir struct {
	path    string  // as the sources spell it
	refs    int     // number of reasons to keep it: the files in it, and one more for the status directory
	files   []*file // the files expected in it
	watched string  // the directory that is really watched, or about to be, links resolved; "" before the first attempt
	ready   bool    // watched is this directory and not an ancestor
	stale   bool    // is in Watcher.stale
	trouble string  // why it can't be watched; "" if it is
}

// dirOf returns the entry of a directory and creates it if necessary.
func (w *Watcher) dirOf(path string) *dir {
	d := w.dirs[path]
	if d == nil {
		d = &dir{path: path}
		w.dirs[path] = d
		w.markStale(d)
	}
	return d
}

func (w *Watcher) markStale(d *dir) {
	if !d.stale {
		d.stale = true
		w.stale = append(w.stale, d)
		w.nudge()
	}
}

// attach adds a file to its directory.
func (w *Watcher) attach(f *file, path string) {
	path = filepath.Clean(path)
	f.dir, f.base = w.dirOf(filepath.Dir(path)), filepath.Base(path)
	f.dir.refs++
	f.dir.files = append(f.dir.files, f)
	if f.dir.ready {
		name := filepath.Join(f.dir.watched, f.base)
		w.index[name] = append(w.index[name], f)
	}
}

// detach removes a file, and its directory after the last file.
func (w *Watcher) detach(f *file) {
	d := f.dir
	f.removed = true
	w.unindex(f)
	d.files = without(d.files, f)
	if d.refs--; d.refs > 0 {
		return
	}
	delete(w.dirs, d.path)
	if d.watched != "" {
		w.leave(d)
	}
}

func (w *Watcher) unindex(f *file) {
	if !f.dir.ready {
		return
	}
	name := filepath.Join(f.dir.watched, f.base)
	if w.index[name] = without(w.index[name], f); len(w.index[name]) == 0 {
		delete(w.index, name)
	}
}

// leave ends the use of a watch by a directory. The reader removes watches without users.
func (w *Watcher) leave(d *dir) {
	old := d.watched
	if w.byWatch[old] = without(w.byWatch[old], d); len(w.byWatch[old]) == 0 {
		delete(w.byWatch, old)
		w.unused = append(w.unused, old)
	}
	d.watched = ""
}

func without[T comparable](s []T, x T) []T {
	if i := slices.Index(s, x); i >= 0 {
		return slices.Delete(s, i, i+1)
	}
	return s
}

// placeStale renews stale watches and removes unused ones. Only the reader calls it, so one goroutine adds and removes
// watches.
func (w *Watcher) placeStale() {
	for {
		w.mu.Lock()
		switch {
		case len(w.stale) > 0:
			d := w.stale[0]
			w.stale = w.stale[1:]
			d.stale = false
			live := w.dirs[d.path] == d
			w.mu.Unlock()
			if live {
				w.place(d)
			}
		case len(w.unused) > 0:
			path := w.unused[0]
			w.unused = w.unused[1:]
			needed := len(w.byWatch[path]) > 0
			w.mu.Unlock()
			if !needed && w.fs != nil {
				// An error means that the watch has ended with its directory.
				_ = w.fs.Remove(path)
				w.rewatchChildren(path)
			}
		default:
			w.mu.Unlock()
			return
		}
	}
}

// place watches a directory, or its nearest ancestor if it does not exist. It checks again after each watch was added,
// because a directory that was created before the watch caused no event.
func (w *Watcher) place(d *dir) {
	if w.fs == nil { // all files are read every second
		w.placed(d)
		return
	}
	real, ready := nearest(d.path)
	for range 64 {
		w.settle(d, real, ready)
		err := w.addWatch(w.fs, real)
		w.rewatchChildren(real)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.fail(d, err)
			return
		}
		again, readyAgain := nearest(d.path)
		if err == nil && again == real && readyAgain == ready {
			w.placed(d)
			return
		}
		real, ready = again, readyAgain
	}
}

// settle records where a directory is about to be watched. It is called before the watch is added, so that an event that
// ends the watch at once is attributed to the directory.
func (w *Watcher) settle(d *dir, real string, ready bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dirs[d.path] != d {
		w.unused = append(w.unused, real)
		return
	}
	for _, f := range d.files {
		w.unindex(f)
	}
	if d.watched != real {
		if d.watched != "" {
			w.leave(d)
		}
		w.byWatch[real] = append(w.byWatch[real], d)
	}
	d.watched, d.ready = real, ready
	if ready {
		for _, f := range d.files {
			name := filepath.Join(real, f.base)
			w.index[name] = append(w.index[name], f)
		}
	}
}

// placed records that a directory is watched and queues its files, which may have changed before.
func (w *Watcher) placed(d *dir) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d.trouble != "" {
		d.trouble = ""
		signal(w.changed)
	}
	for _, f := range d.files {
		w.enqueue(f)
	}
}

// rewatchChildren marks the watches of the direct subdirectories of path as stale, after the watch of path was added or
// removed. If both are watched, fsnotify reports the removal of the child only through the watch of its parent (handleEvent
// in backend_inotify.go), and not at all while that watch changes. It does not report a child that moved with its parent.
func (w *Watcher) rewatchChildren(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for watched, dirs := range w.byWatch {
		if filepath.Dir(watched) == path && watched != path {
			for _, d := range dirs {
				w.markStale(d)
			}
		}
	}
}

// fail records why a directory can't be watched and queues its files, which report it. Until it can, all files are read
// every second.
func (w *Watcher) fail(d *dir, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d.trouble = "its directory can't be watched and is read every second: " + text.Field(err.Error(), 120)
	if errors.Is(err, syscall.ENOSPC) {
		d.trouble += " (raise fs.inotify.max_user_watches)"
	}
	signal(w.changed)
	signal(w.troubled)
	for _, f := range d.files {
		w.enqueue(f)
	}
}

// forget clears the record of all watches; they end with their inotify instance.
func (w *Watcher) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.dirs {
		d.watched, d.ready = "", false
	}
	clear(w.index)
	clear(w.byWatch)
	w.unused = nil
}

// nearest returns path, or its nearest ancestor that is a directory, with links resolved.
func nearest(path string) (real string, itself bool) {
	for p := path; ; p = filepath.Dir(p) {
		real, err := filepath.EvalSymlinks(p)
		if err == nil {
			if st, err := os.Stat(real); err == nil && st.IsDir() {
				return real, p == path
			}
		}
		if p == filepath.Dir(p) {
			return p, p == path
		}
	}
}
