package status

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// dir is a directory that files are expected in. While it does not exist, its nearest ancestor is watched.
// All fields are guarded by Watcher.mu.
type dir struct {
	path    string  // as the sources name it
	refs    int     // reasons to keep it: the files in it, and one more for the status directory
	files   []*file // that are expected in it
	watched string  // the directory that is really watched, or about to be, links resolved; "" before the first attempt
	ready   bool    // watched is this directory itself
	stale   bool    // stands in Watcher.stale
	trouble string  // why it can't be watched
}

// dirOf gives the entry of a directory, a new one if need be.
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

// attach puts a file under its directory.
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

// detach takes a file off; the last one takes its directory along.
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

// leave ends the use of a watch by a directory; without users the reader removes it.
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

// placeStale puts the watches right that are marked so, and drops those that nobody needs. Only the reader
// calls it, so that watches are added and removed by one goroutine.
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
			if !needed {
				// An error means that it is gone already, with its directory.
				_ = w.fs.Remove(path)
				w.doubtWithin(path)
			}
		default:
			w.mu.Unlock()
			return
		}
	}
}

// place watches a directory, or its nearest ancestor if it does not exist. It looks again after each watch is
// set: what was created before that gave no event.
func (w *Watcher) place(d *dir) {
	real, ready := nearest(d.path)
	for range 64 {
		w.settle(d, real, ready)
		err := w.addWatch(w.fs, real)
		w.doubtWithin(real)
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

// settle notes where a directory is about to be watched. It comes before the watch itself, so that an event that ends the
// watch at once finds whom it concerns.
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

// placed notes that a directory is watched, and has its files read: they may have changed unseen.
func (w *Watcher) placed(d *dir) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d.trouble = ""
	for _, f := range d.files {
		w.enqueue(f)
	}
}

// doubtWithin has the watches of the directories right below one looked at again, after that one's watch was set, set anew
// or taken away. Where both are watched, fsnotify tells of the end of the lower one by the events of the upper one only
// (handleEvent in its backend_inotify.go), and when the upper watch came or went just then, by none; and a
// lower one that was moved away with the upper one is not told of at all.
func (w *Watcher) doubtWithin(path string) {
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

// fail notes that a directory can't be watched; its files say so. The next Rescan tries again.
func (w *Watcher) fail(d *dir, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d.trouble = "changes are not seen, its directory can't be watched: " + Clean(err.Error(), 120)
	if errors.Is(err, syscall.ENOSPC) {
		d.trouble += " (raise fs.inotify.max_user_watches)"
	}
	for _, f := range d.files {
		w.enqueue(f)
	}
}

// forget drops all watches, which end with their instance.
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

// nearest gives the directory itself or its nearest ancestor that is one, links resolved.
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
