package git

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestSomebodyStillFills covers a supervisor that was killed while its git still fills a worktree. The worktree is not
// removed while that git runs. It is made again when that git has ended, unless it was complete.
func TestSomebodyStillFills(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(ctx context.Context, w *world) error{
		"prepare": func(ctx context.Context, w *world) error {
			_, err := w.r.Prepare(ctx, w.spec("t1"))
			return err
		},
		"remove": func(ctx context.Context, w *world) error {
			return w.r.RemoveWorktree(ctx, w.spec("t1").Path, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			wt := w.prepare("t1")
			admin := filepath.Join(w.repo, ".git/worktrees/t1-x")
			w.write(admin, "locked", lockedByRestore)
			if err := os.Remove(filepath.Join(wt.Path, "a.txt")); err != nil {
				t.Fatal(err)
			}
			git, err := os.Open(filepath.Join(admin, "locked"))
			if err != nil {
				t.Fatal(err)
			}
			defer git.Close()
			if err := syscall.Flock(int(git.Fd()), syscall.LOCK_EX); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if err := next(ctx, w); err == nil || ctx.Err() == nil {
				t.Fatalf("a worktree was taken that somebody fills: %v", err)
			}
			if !exists(filepath.Join(wt.Path, "run.sh")) {
				t.Fatal("its files are gone")
			}
			if err := git.Close(); err != nil {
				t.Fatal(err)
			}
			if err := next(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			switch there := exists(filepath.Join(wt.Path, "a.txt")); name {
			case "prepare":
				if !there || exists(filepath.Join(admin, "locked")) {
					t.Error("the worktree was not made again")
				}
			case "remove":
				if there || exists(admin) {
					t.Error("the worktree is still there")
				}
			}
		})
	}
}

// TestFilledWithoutTheLock makes a worktree while another one gets its files: filling does not need the lock of the
// repository.
func TestFilledWithoutTheLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := preparing{r: w.r, spec: w.spec("t1")}
	err := w.r.locked(t.Context(), func(lock *os.File) (err error) {
		p.lock = lock
		_, err = p.run(t.Context())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if exists(filepath.Join(p.spec.Path, "a.txt")) {
		t.Fatal("files were laid down under the lock")
	}
	w.prepare("t2")
	if err := w.r.locked(t.Context(), func(*os.File) error { return p.fill(t.Context()) }); err != nil {
		t.Fatal(err)
	}
	if got := w.git(p.spec.Path, "status", "--porcelain"); got != "" {
		t.Errorf("status = %q", got)
	}
	if wt := w.prepare("t1"); wt.Created {
		t.Error("it was made again")
	}
}
