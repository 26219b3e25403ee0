package git

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/fault"
	"muster/internal/fault/faulttest"
)

func TestRemoveNeverTouchesTheCheckout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	elsewhere := filepath.Join(w.dir, "elsewhere")
	w.git(w.repo, "worktree", "add", "-q", "--detach", elsewhere)
	link := filepath.Join(w.under, "link")
	if err := os.MkdirAll(w.under, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, link); err != nil {
		t.Fatal(err)
	}
	clone := filepath.Join(w.under, "clone")
	w.git(w.dir, "clone", "-q", w.repo, clone)
	free, err := Open(t.Context(), w.repo, Env(w.env), Private(w.private())) // not confined
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*Repo{w.r, free} {
		for _, path := range []string{
			w.repo, filepath.Join(w.repo, "dir"), filepath.Join(w.repo, ".git"), w.dir, "/", w.under, link, clone, "", "..",
			w.under + "/../../repo", filepath.Join(w.under, "x\x00"),
		} {
			if err := r.RemoveWorktree(t.Context(), path, true); err == nil && exists(path) {
				t.Errorf("RemoveWorktree(%q) worked", path)
			}
		}
	}
	faulttest.Want(t, w.r.RemoveWorktree(t.Context(), elsewhere, true), fault.Usage, elsewhere)
	for _, dir := range []string{w.repo, elsewhere, clone} {
		if w.git(dir, "status", "--porcelain") != "" || !exists(filepath.Join(dir, "a.txt")) {
			t.Errorf("%s was touched", dir)
		}
	}
}

func TestRemoveRefusesToLoseWork(t *testing.T) {
	t.Parallel()
	for name, work := range map[string]func(w *world, dir string){
		"changed":   func(w *world, dir string) { w.write(dir, "a.txt", "x") },
		"untracked": func(w *world, dir string) { w.write(dir, "new", "x") },
		"staged":    func(w *world, dir string) { w.write(dir, "new", "x"); w.git(dir, "add", "new") },
		"deleted":   func(w *world, dir string) { w.git(dir, "rm", "-q", "a.txt") },
		"detached commit": func(w *world, dir string) {
			w.git(dir, "checkout", "-q", "--detach")
			w.git(dir, "commit", "-q", "--allow-empty", "-m", "mine")
		},
		"hidden from status": func(w *world, dir string) {
			w.write(w.dir, "home/.gitconfig", "[status]\nshowUntrackedFiles = no\n[diff]\nignoreSubmodules = all\n")
			w.write(dir, "new", "x")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			wt := w.prepare("t1")
			work(w, wt.Path)
			before := w.state(wt.Path)
			faulttest.Want(t, w.r.RemoveWorktree(t.Context(), wt.Path, false), fault.Conflict, wt.Path)
			if after := w.state(wt.Path); after != before {
				t.Errorf("changed:\n%q\n%q", before, after)
			}
		})
	}
}

func TestRemoveFromEveryHalfState(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, w *world, path, admin, away string){
		"whole": func(*testing.T, *world, string, string, string) {},
		"moved away": func(t *testing.T, w *world, path, admin, away string) {
			if err := os.Rename(path, away); err != nil {
				t.Fatal(err)
			}
		},
		"registration gone": func(t *testing.T, w *world, path, admin, away string) {
			if err := os.Rename(path, away); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(admin); err != nil {
				t.Fatal(err)
			}
		},
		"directory gone": func(t *testing.T, w *world, path, admin, away string) {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		},
		"half of it gone": func(t *testing.T, w *world, path, admin, away string) {
			if err := os.Rename(path, away); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(filepath.Join(away, ".git")); err != nil {
				t.Fatal(err)
			}
		},
		"read-only inside": func(t *testing.T, w *world, path, admin, away string) {
			w.write(path, "mod/x.log", "")
			if err := os.Chmod(filepath.Join(path, "mod"), 0o555); err != nil {
				t.Fatal(err)
			}
		},
		"locked": func(t *testing.T, w *world, path, admin, away string) {
			w.git(w.repo, "worktree", "lock", "--reason", "mine", path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			other := w.prepare("t2")
			wt := w.prepare("t1")
			admin := filepath.Join(w.repo, ".git/worktrees/t1-x")
			away := filepath.Join(w.under, ".removing-t1-x")
			spoil(t, w, wt.Path, admin, away)
			for range 2 {
				if err := w.r.RemoveWorktree(t.Context(), wt.Path, false); err != nil {
					t.Fatal(err)
				}
			}
			for _, path := range []string{wt.Path, admin, away} {
				if exists(path) {
					t.Errorf("%s is still there", path)
				}
			}
			if w.head(wt.Branch) != wt.Base {
				t.Error("the branch is gone")
			}
			if got := w.git(other.Path, "status", "--porcelain"); got != "" {
				t.Errorf("another worktree was touched: %s", got)
			}
		})
	}
}

// TestOtherMissingWorktreesStayRegistered checks that only muster's own registration is pruned. The registration of a
// person's worktree on an unmounted disk stays.
func TestOtherMissingWorktreesStayRegistered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	away := filepath.Join(w.dir, "usb")
	w.git(w.repo, "worktree", "add", "-q", "-b", "theirs", away)
	if err := os.RemoveAll(away); err != nil {
		t.Fatal(err)
	}
	wt := w.prepare("t1")
	if err := os.RemoveAll(wt.Path); err != nil {
		t.Fatal(err)
	}
	w.prepare("t1")
	if err := w.r.RemoveWorktree(t.Context(), wt.Path, false); err != nil {
		t.Fatal(err)
	}
	if list := w.git(w.repo, "worktree", "list", "--porcelain"); !strings.Contains(list, away) {
		t.Errorf("worktrees:\n%s", list)
	}
}
