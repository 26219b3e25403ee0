package status

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

func TestLateDirectoriesAreFound(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	deep := r.path("a/b/c")
	r.Add(Source{Task: "t1", Gen: 1, Name: "deep", Path: filepath.Join(deep, "f"), Parse: linesParser})
	r.Add(Source{Task: "t1", Gen: 1, Name: "linked", Path: r.path("link/f"), Parse: linesParser})
	r.silence()
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(deep, "f"), "one\n")
	r.until("the first line", hasNote("one"))
	write(t, filepath.Join(deep, "f"), "two\n")
	r.until("the second line", hasNote("two"))
	// A second name of the same directory: its events are reported under the first.
	if err := os.Symlink(deep, r.path("link")); err != nil {
		t.Fatal(err)
	}
	r.until("the line through the link", func(b Batch) bool { return b.Source.Name == "linked" && hasNote("two")(b) })
	write(t, filepath.Join(deep, "f"), "three\n")
	seen := map[string]bool{}
	r.until("the third line twice", func(b Batch) bool {
		seen[b.Source.Name] = seen[b.Source.Name] || hasNote("three")(b)
		return seen["deep"] && seen["linked"]
	})
}

func TestADirectoryThatWasRemovedIsFoundAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	dir := r.path("x/y")
	path := filepath.Join(dir, "f")
	r.Add(Source{Task: "t1", Gen: 1, Name: "x", Path: path, Parse: linesParser})
	for i := range 20 {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		note := "round" + strconv.Itoa(i)
		write(t, path, note+"\n")
		r.until(note, hasNote(note))
		if i%2 == 0 {
			if err := os.RemoveAll(r.path("x")); err != nil {
				t.Fatal(err)
			}
		} else if err := os.Rename(dir, r.path("away"+strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
}

// TestADirectoryIsFoundWhereTheOneAboveItIsReplaced covers a directory that moves together with its parent, for which
// there is no event.
func TestADirectoryIsFoundWhereTheOneAboveItIsReplaced(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	above := r.path("u")
	below := filepath.Join(above, "l")
	if err := os.MkdirAll(below, 0o700); err != nil {
		t.Fatal(err)
	}
	r.Add(Source{Task: "t1", Gen: 1, Name: "a", Path: filepath.Join(above, "f"), Parse: linesParser})
	r.Add(Source{Task: "t2", Gen: 1, Name: "b", Path: filepath.Join(below, "f"), Parse: linesParser})
	for i := range 10 {
		for _, dir := range []string{above, below} {
			note := fmt.Sprintf("round %d in %s", i, filepath.Base(dir))
			write(t, filepath.Join(dir, "f"), note+"\n")
			r.until(note, hasNote(note))
		}
		if err := errors.Join(os.Rename(above, r.path(fmt.Sprint("away", i))), os.MkdirAll(below, 0o700)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWatcher_FindsADirectoryReplacedWhileItIsBeingWatched replaces the directory after its watch was added and before
// that is recorded. The event must not be lost.
func TestWatcher_FindsADirectoryReplacedWhileItIsBeingWatched(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stop()
	dir := r.path("y")
	add, replaced, done := r.addWatch, false, make(chan struct{})
	r.addWatch = func(fs *fsnotify.Watcher, path string) error {
		err := add(fs, path)
		if path == r.path("y") && !replaced {
			replaced = true
			if err := errors.Join(os.Remove(dir), os.Mkdir(dir, 0o700)); err != nil {
				t.Error(err)
			}
			time.Sleep(50 * time.Millisecond) // until the events have arrived
			close(done)
		}
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r.Add(Source{Task: "t1", Gen: 1, Name: "x", Path: filepath.Join(dir, "f"), Parse: linesParser})
	r.serve()
	<-done
	for _, note := range []string{"one", "two"} {
		time.Sleep(20 * time.Millisecond) // no other event makes the watcher read the file
		write(t, filepath.Join(dir, "f"), note+"\n")
		r.until(note, hasNote(note))
	}
}

func TestADirectoryThatCannotBeWatchedIsSaid(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stop()
	add := r.addWatch
	r.addWatch = func(fs *fsnotify.Watcher, path string) error {
		if strings.HasSuffix(path, "/full") {
			return syscall.ENOSPC
		}
		return add(fs, path)
	}
	if err := os.Mkdir(r.path("full"), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, r.path("full/f"), "there already")
	r.serve()
	r.Add(Source{Task: "t1", Gen: 1, Name: "x", Path: r.path("full/f")})
	if b := r.until("its record", hasNote("there already"))[0]; !says("max_user_watches")(b) {
		t.Errorf("batch is %+v", b)
	}
}
