package status

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"muster/internal/fault"
)

// hasty shortens the pauses of a watcher's polls and retries.
func hasty(w *Watcher) { w.pollPause, w.retryPause = 20*time.Millisecond, 100*time.Millisecond }

// awaitPolling waits until Polling contains a word, or is empty if the word is "".
func (r *rig) awaitPolling(word string) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		why := r.Polling()
		if word == "" && why == "" || word != "" && strings.Contains(why, word) {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("the watcher says %q, want %q", why, word)
		}
	}
}

func TestWatcherPolls_WithoutInotifyUntilThereIsOne(t *testing.T) {
	t.Parallel()
	var there atomic.Bool
	r := newRig(t, hasty, func(w *Watcher) {
		w.newWatch = func() (*fsnotify.Watcher, error) {
			if !there.Load() {
				return nil, os.NewSyscallError("inotify_init1", syscall.EMFILE)
			}
			return fsnotify.NewBufferedWatcher(256)
		}
	})
	path := r.status("t1")
	put(t, path, "one")
	r.until("a record, polled", hasNote("one"))
	r.awaitPolling("too many open files")
	write(t, r.path("wake"), "1")
	<-r.Wake()
	there.Store(true)
	r.awaitPolling("")
	put(t, path, "two")
	r.until("a record, watched", hasNote("two"))
}

// TestWatcherPolls_WhereADirectoryCantBeWatched has an inotify instance, but no further watch.
func TestWatcherPolls_WhereADirectoryCantBeWatched(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	full.Store(true)
	r := newRig(t, hasty, func(w *Watcher) {
		w.addWatch = func(fs *fsnotify.Watcher, path string) error {
			if full.Load() {
				return syscall.ENOSPC
			}
			return fs.Add(path)
		}
	})
	path := r.status("t1")
	for _, note := range []string{"one", "two"} {
		put(t, path, note)
		r.until("record "+note, hasNote(note))
	}
	r.awaitPolling("max_user_watches")
	full.Store(false)
	r.awaitPolling("")
	put(t, path, "three")
	r.until("a record, watched", hasNote("three"))
}

// TestWatcherPolls_WhenTheReportsEnd closes the instance while it is in use.
func TestWatcherPolls_WhenTheReportsEnd(t *testing.T) {
	t.Parallel()
	made := make(chan *fsnotify.Watcher, 100)
	r := newRig(t, hasty, func(w *Watcher) {
		w.newWatch = func() (*fsnotify.Watcher, error) {
			fs, err := fsnotify.NewBufferedWatcher(256)
			made <- fs
			return fs, err
		}
	})
	path := r.status("t1")
	put(t, path, "one")
	r.until("a record", hasNote("one"))
	if err := (<-made).Close(); err != nil {
		t.Fatal(err)
	}
	put(t, path, "two")
	r.until("a record after the end", hasNote("two"))
	<-made // a second instance
	r.awaitPolling("")
}

// withoutInstances is set in a process of this test that runs where the kernel creates no inotify instance.
const withoutInstances = "MUSTER_TEST_WITHOUT_INOTIFY"

// TestWatcherPolls_WhereTheKernelHasNoInstancesLeft provokes the kernel's own refusal, in a user namespace.
func TestWatcherPolls_WhereTheKernelHasNoInstancesLeft(t *testing.T) {
	t.Parallel()
	if os.Getenv(withoutInstances) != "" {
		pollForReal(t)
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("inotify is of Linux")
	}
	if out, err := exec.CommandContext(t.Context(), "unshare", "-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_inotify_instances").CombinedOutput(); err != nil {
		t.Skipf("no user namespace may be made here: %v: %s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "-Ur", "sh", "-ec", `echo 0 > /proc/sys/user/max_inotify_instances; exec "$0" "$@"`,
		os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), withoutInstances+"=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

func pollForReal(t *testing.T) {
	t.Helper()
	r := newRig(t)
	if err := CanWatch(r.dir); err == nil || !strings.Contains(fault.HintOf(err), "max_user_instances") {
		t.Errorf("CanWatch: %v, hint %q", err, fault.HintOf(err))
	}
	path := r.status("t1")
	for _, note := range []string{"one", "two"} {
		began := time.Now()
		put(t, path, note)
		r.until("record "+note, hasNote(note))
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("a record took %s", took)
		}
	}
	r.awaitPolling("reports no changes")
}
