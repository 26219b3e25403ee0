package git

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/fault"
	"muster/internal/fault/faulttest"
)

func (w *world) snapshot(wt Worktree, ref string) Snapshot {
	w.t.Helper()
	s, err := w.r.Snapshot(w.t.Context(), wt.Path, ref, "m")
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) obstacles(wt Worktree) Obstacles {
	w.t.Helper()
	found, err := w.r.Obstacles(w.t.Context(), work(wt), w.snapshot(wt, "refs/muster/round/t1/1"), false)
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// TestChangedIsContentOfTheAgentsOwn checks that a change is content of the agent's own, however it was made.
func TestChangedIsContentOfTheAgentsOwn(t *testing.T) {
	t.Parallel()
	mainMoves := func(w *world) {
		w.write(w.repo, "a.txt", "main's\n")
		w.git(w.repo, "commit", "-qam", "main moves")
	}
	for name, c := range map[string]struct {
		setup func(w *world, dir string)
		work  func(w *world, dir string)
		want  bool
	}{
		"nothing":     {nil, func(*world, string) {}, false},
		"ignored":     {nil, func(w *world, dir string) { w.write(dir, "x.log", "x") }, false},
		"touched":     {nil, func(w *world, dir string) { w.write(dir, "a.txt", "one\n") }, false},
		"untracked":   {nil, func(w *world, dir string) { w.write(dir, "x", "x") }, true},
		"unstaged":    {nil, func(w *world, dir string) { w.write(dir, "a.txt", "x") }, true},
		"deleted":     {nil, func(w *world, dir string) { _ = os.Remove(filepath.Join(dir, "a.txt")) }, true},
		"mode":        {nil, func(w *world, dir string) { _ = os.Chmod(filepath.Join(dir, "run.sh"), 0o755) }, true},
		"base itself": {nil, func(w *world, dir string) { w.git(dir, "checkout", "-q", "--detach") }, false},
		"a commit without content": {
			nil, func(w *world, dir string) { w.git(dir, "commit", "-q", "--allow-empty", "-m", "x") }, false,
		},
		"a commit": {
			nil, func(w *world, dir string) {
				w.write(dir, "x", "x")
				w.git(dir, "add", "-A")
				w.git(dir, "commit", "-qm", "x")
			}, true,
		},
		"a commit and its revert": {
			nil, func(w *world, dir string) {
				w.write(dir, "a.txt", "x")
				w.git(dir, "commit", "-qam", "x")
				w.git(dir, "revert", "--no-edit", "HEAD")
			}, false,
		},
		"the moved base": {
			nil, func(w *world, dir string) { mainMoves(w); w.git(dir, "merge", "-q", "main") }, false,
		},
		"a merge of the moved base": {
			nil, func(w *world, dir string) { mainMoves(w); w.git(dir, "merge", "-q", "--no-ff", "--no-edit", "main") }, false,
		},
		"work and the moved base": {
			nil, func(w *world, dir string) { mainMoves(w); w.git(dir, "merge", "-q", "main"); w.write(dir, "x", "x") }, true,
		},
		"what setup left": {
			func(w *world, dir string) { w.write(dir, "a.txt", "lock\n"); w.write(dir, "generated", "g\n") },
			func(*world, string) {}, false,
		},
		"what setup left, committed": {
			func(w *world, dir string) { w.write(dir, "a.txt", "lock\n"); w.write(dir, "generated", "g\n") },
			func(w *world, dir string) { w.git(dir, "add", "-A"); w.git(dir, "commit", "-qm", "all") }, false,
		},
		"what setup left, undone": {
			func(w *world, dir string) { w.write(dir, "a.txt", "lock\n") },
			func(w *world, dir string) { w.git(dir, "checkout", "-q", "a.txt") }, false,
		},
		"more than setup left": {
			func(w *world, dir string) { w.write(dir, "a.txt", "lock\n") },
			func(w *world, dir string) { w.write(dir, "a.txt", "lock 2\n") }, true,
		},
		"what setup left, and the moved base": {
			func(w *world, dir string) { w.write(dir, "generated", "g\n") },
			func(w *world, dir string) { mainMoves(w); w.git(dir, "merge", "-q", "main") }, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			wt := w.prepare("t1")
			if c.setup != nil {
				c.setup(w, wt.Path)
				w.snapshot(wt, work(wt).Baseline)
			}
			c.work(w, wt.Path)
			got, err := w.r.OwnChanges(t.Context(), work(wt), w.snapshot(wt, "refs/muster/round/t1/1"), false)
			if (len(got) > 0) != c.want || err != nil {
				t.Errorf("OwnChanges = %v, %v", got, err)
			}
		})
	}
}

// TestObstaclesAreNamedAndNotLanded checks that unfinished work, and work that cannot be shared, is not landed, and
// that the agent is told the name of what to fix.
func TestObstaclesAreNamedAndNotLanded(t *testing.T) {
	t.Parallel()
	conflict := func(w *world, wt Worktree, command ...string) {
		w.write(wt.Path, "a.txt", "agent's\n")
		w.git(wt.Path, "commit", "-qam", "agent's")
		w.write(w.repo, "a.txt", "main's\n")
		w.git(w.repo, "commit", "-qam", "main's")
		if _, err := w.tryGit(wt.Path, command...); err == nil {
			w.t.Fatal("no conflict")
		}
	}
	copied := func(w *world, wt Worktree) {
		w.write(w.repo, "secret.cfg", "PASSWORD=xyzzy\n")
		if err := w.r.Copy(w.t.Context(), wt.Path, []string{"secret.cfg"}); err != nil {
			w.t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		work func(w *world, wt Worktree, sub string)
		want []string // parts of the message; nil if there is no obstacle
	}{
		"nothing odd": {func(w *world, wt Worktree, _ string) { w.write(wt.Path, "x", "x") }, nil},
		"a merge in conflict": {
			func(w *world, wt Worktree, _ string) { conflict(w, wt, "merge", "main") }, []string{"a.txt", "conflict"},
		},
		"a merge, added with its markers": {
			func(w *world, wt Worktree, _ string) { conflict(w, wt, "merge", "main"); w.git(wt.Path, "add", "-A") },
			[]string{"a.txt", "markers", "merge --abort"},
		},
		"a merge whose conflicts are resolved": {
			func(w *world, wt Worktree, _ string) {
				conflict(w, wt, "merge", "main")
				w.write(wt.Path, "a.txt", "both\n")
				w.git(wt.Path, "add", "-A")
			}, nil,
		},
		"a cherry-pick in conflict": {
			func(w *world, wt Worktree, _ string) {
				conflict(w, wt, "cherry-pick", "main")
				w.git(wt.Path, "add", "-A")
			},
			[]string{"a.txt", "cherry-pick"},
		},
		"a series of cherry-picks": {
			func(w *world, wt Worktree, _ string) {
				w.git(w.repo, "checkout", "-q", "-b", "side")
				for _, name := range []string{"a.txt", "more"} {
					w.write(w.repo, name, "side's\n")
					w.git(w.repo, "add", "-A")
					w.git(w.repo, "commit", "-qm", name)
				}
				w.git(w.repo, "checkout", "-q", "main")
				conflict(w, wt, "cherry-pick", "main..side")
				w.write(wt.Path, "a.txt", "resolved\n")
				w.git(wt.Path, "add", "-A")
			}, []string{"cherry-pick --continue"},
		},
		"a revert in conflict": {
			func(w *world, wt Worktree, _ string) {
				w.write(wt.Path, "a.txt", "1\n")
				w.git(wt.Path, "commit", "-qam", "1")
				conflict(w, wt, "revert", "HEAD^")
			}, []string{"a.txt"},
		},
		"a rebase in conflict": {
			func(w *world, wt Worktree, _ string) {
				conflict(w, wt, "rebase", "main")
				w.write(wt.Path, "a.txt", "resolved\n")
				w.git(wt.Path, "add", "-A")
			}, []string{"rebase", "--continue"},
		},
		"a stash in conflict": {
			func(w *world, wt Worktree, _ string) {
				w.write(wt.Path, "a.txt", "stashed\n")
				w.git(wt.Path, "stash", "-q")
				conflict(w, wt, "stash", "pop")
			}, []string{"a.txt"},
		},
		"another branch": {
			func(w *world, wt Worktree, _ string) { w.git(wt.Path, "checkout", "-q", "-b", "feature/x") },
			[]string{"feature/x", "muster/t1-x"},
		},
		"a clean submodule": {func(*world, Worktree, string) {}, nil},
		"a dirty submodule": {
			func(w *world, _ Worktree, sub string) { w.write(sub, "lib", "x\n") }, []string{"sub", "lib", "push"},
		},
		"a new file in a submodule": {
			func(w *world, _ Worktree, sub string) { w.write(sub, "new", "x\n") }, []string{"sub", "new"},
		},
		"a commit of a submodule that nobody has": {
			func(w *world, wt Worktree, sub string) {
				w.git(sub, "commit", "-q", "--allow-empty", "-m", "own")
				w.git(wt.Path, "commit", "-qam", "bump")
			}, []string{"sub", "Push it first"},
		},
		"a commit of a submodule that is pushed": {
			func(w *world, wt Worktree, sub string) {
				w.write(sub, "own", "o\n")
				w.git(sub, "add", "-A")
				w.git(sub, "commit", "-qm", "own")
				w.git(sub, "push", "-q", "origin", "HEAD:refs/heads/own")
				w.git(wt.Path, "commit", "-qam", "bump")
			}, nil,
		},
		"a submodule that main moved": {
			func(w *world, wt Worktree, _ string) {
				at := filepath.Join(w.repo, "sub")
				w.git(at, "commit", "-q", "--allow-empty", "-m", "a person's")
				w.git(w.repo, "commit", "-qam", "bump")
				w.git(wt.Path, "merge", "-q", "main")
				w.git(filepath.Join(wt.Path, "sub"), "fetch", "-q", at, "HEAD")
				w.git(filepath.Join(wt.Path, "sub"), "checkout", "-q", "FETCH_HEAD")
			}, nil,
		},
		"files in a submodule that is not checked out": {
			func(w *world, wt Worktree, sub string) {
				w.git(wt.Path, "submodule", "deinit", "-q", "-f", "sub")
				w.write(sub, "new", "x\n")
			}, []string{"sub"},
		},
		"a repository committed as a link": {
			func(w *world, wt Worktree, _ string) {
				w.git(w.dir, "clone", "-q", w.origin("tool"), filepath.Join(wt.Path, "tool"))
				w.git(wt.Path, "add", "-A")
				w.git(wt.Path, "commit", "-qm", "all")
			}, []string{"tool", "git rm --cached tool"},
		},
		"a copied file": {func(w *world, wt Worktree, _ string) { copied(w, wt) }, nil},
		"a copied file that was committed": {
			func(w *world, wt Worktree, _ string) {
				copied(w, wt)
				w.git(wt.Path, "add", "-A")
				w.git(wt.Path, "commit", "-qm", "all")
			}, []string{"secret.cfg"},
		},
		"a copied file that was committed and taken out again": {
			func(w *world, wt Worktree, _ string) {
				copied(w, wt)
				w.git(wt.Path, "add", "-A")
				w.git(wt.Path, "commit", "-qm", "all")
				w.git(wt.Path, "rm", "-q", "--cached", "secret.cfg")
				w.git(wt.Path, "commit", "-qm", "without")
			}, []string{"secret.cfg", "history"},
		},
		"the content of a copied file elsewhere": {
			func(w *world, wt Worktree, _ string) { copied(w, wt); w.write(wt.Path, "conf/x", "PASSWORD=xyzzy\n") },
			[]string{"conf/x"},
		},
		"a copied file that was changed": {
			func(w *world, wt Worktree, _ string) {
				copied(w, wt)
				w.write(wt.Path, "secret.cfg", "PASSWORD=plugh\n")
			},
			[]string{"secret.cfg"},
		},
	} {
		eachWay(t, name, c.work, func(t *testing.T, w *world, wt Worktree) {
			before := w.state(wt.Path)
			found := w.obstacles(wt)
			if (len(found) > 0) != (c.want != nil) {
				t.Fatalf("obstacles: %v", found)
			}
			for _, text := range c.want {
				if !strings.Contains(found.Error(), text) {
					t.Errorf("%q does not name %q", found.Error(), text)
				}
			}
			tip := w.head(wt.Branch)
			_, err := w.land(wt, w.tree(wt.Path))
			if c.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var refused Obstacles
			if !errors.As(err, &refused) && !errors.Is(err, ErrBranch) {
				t.Errorf("Land = %v", err)
			}
			if after := w.state(wt.Path); after != before || w.head(wt.Branch) != tip {
				t.Errorf("something was changed:\n%q\n%q", before, after)
			}
			if refused != nil {
				faulttest.Want(t, err, fault.Conflict)
			}
		})
	}
}

// TestAChangedCopyIsKept checks that a file which muster copied in becomes part of the work once it is changed.
func TestAChangedCopyIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(w.repo, "local.cfg", "a = 1\n")
	wt := w.prepare("t1")
	if err := w.r.Copy(t.Context(), wt.Path, []string{"local.cfg"}); err != nil {
		t.Fatal(err)
	}
	if u, err := w.r.Unsaved(t.Context(), wt.Path, wt.Branch, wt.Base, false); err != nil || u.Any() {
		t.Errorf("Unsaved = %+v, %v", u, err)
	}
	w.write(wt.Path, "local.cfg", "a = 2\n") // of the same size
	if u, err := w.r.Unsaved(t.Context(), wt.Path, wt.Branch, wt.Base, false); err != nil || u.Untracked != 1 {
		t.Errorf("changed: Unsaved = %+v, %v", u, err)
	}
	ref := w.keep(wt.Path, "t1")
	if err := w.r.RemoveWorktree(t.Context(), wt.Path, true); err != nil {
		t.Fatal(err)
	}
	if err := w.r.Restore(t.Context(), RestoreSpec{Path: wt.Path, Branch: wt.Branch, Ref: ref}); err != nil {
		t.Fatal(err)
	}
	if got := w.read(wt.Path, "local.cfg"); got != "a = 2\n" {
		t.Errorf("local.cfg = %q", got)
	}
}
