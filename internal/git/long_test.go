package git

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/fault"
)

// filtered sets up a filter that runs a script before it passes on the content of a.slow.
func filtered(w *world, script string) {
	w.t.Helper()
	w.write(w.repo, ".gitattributes", "*.slow filter=slow\n")
	w.write(w.repo, "a.slow", "content\n")
	w.git(w.repo, "add", "-A")
	w.git(w.repo, "commit", "-qm", "slow")
	w.git(w.repo, "config", "filter.slow.smudge", script+"; cat")
	w.git(w.repo, "config", "filter.slow.required", "true")
}

func TestCheckoutThatMakesProgressTakesItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	filtered(w, "i=0; while [ $i -lt 40 ]; do i=$((i+1)); sleep 0.1; done")
	w.r.idle = 2 * time.Second // shorter than the checkout takes
	wt := w.prepare("t1")
	if got := w.read(wt.Path, "a.slow"); got != "content\n" {
		t.Errorf("a.slow holds %q", got)
	}
}

func TestCheckoutThatMakesNoProgressIsEnded(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux shows whether a process makes progress")
	}
	w := newWorld(t)
	filtered(w, "sleep 600")
	w.r.idle = time.Second
	_, err := w.r.Prepare(t.Context(), w.spec("t1"))
	if !fault.Is(err, fault.Timeout) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no progress") {
		t.Errorf("Prepare: %v", err)
	}
}

func TestOddFilesOfAWorktreeHoldNoGit(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		".gitignore", ".gitattributes", ".gitmodules", "sub/deep/.gitignore", "sub/deep/.gitattributes",
		"dir/.gitattributes", "inner/.git/HEAD", "inner/.git/refs/heads/main", "inner/.git/packed-refs",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			wt := w.prepare("t1")
			path := filepath.Join(wt.Path, name)
			w.write(wt.Path, "sub/deep/beside", "a file that attributes apply to\n")
			w.git(wt.Path, "init", "-q", "inner")
			w.write(wt.Path, "inner/f", "f\n")
			w.git(filepath.Join(wt.Path, "inner"), "add", "-A")
			w.git(filepath.Join(wt.Path, "inner"), "commit", "-qm", "inner")
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.RemoveAll(path), syscall.Mkfifo(path, 0o600)); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_, err := w.r.Snapshot(t.Context(), wt.Path, "refs/muster/round/t1/1", "m")
			if strings.Contains(name, "refs") && err == nil { // git need not open it
				return
			}
			if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(fault.HintOf(err), "rm "+path) {
				t.Errorf("Snapshot: %v, hint %q", err, fault.HintOf(err))
			}
			if took := time.Since(began); took > time.Minute {
				t.Errorf("it took %s", took)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if _, err := w.r.Snapshot(t.Context(), wt.Path, "refs/muster/round/t1/1", "m"); err != nil {
				t.Errorf("Snapshot after it was removed: %v", err)
			}
		})
	}
}

func TestLandReplacesAnIndexThatIsNoFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	w.write(wt.Path, "new", "n\n")
	index := strings.TrimSpace(w.git(wt.Path, "rev-parse", "--path-format=absolute", "--git-path", "index"))
	if err := errors.Join(os.Remove(index), syscall.Mkfifo(index, 0o600)); err != nil {
		t.Fatal(err)
	}
	s, err := w.r.Snapshot(t.Context(), wt.Path, "refs/muster/round/t1/1", "m")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.land(wt, s.Tree); err != nil {
		t.Fatal(err)
	}
	if got := w.git(wt.Path, "status", "--porcelain"); got != "" {
		t.Errorf("status = %q, want clean", got)
	}
}
