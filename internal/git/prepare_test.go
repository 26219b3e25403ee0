package git

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"muster/internal/fault"
	"muster/internal/fault/faulttest"
	"muster/internal/lock"
)

func TestPrepareTwiceIsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.prepare("t1")
	if !first.Created || first.Base != w.head("main") || first.Branch != "muster/t1-x" {
		t.Fatalf("Prepare = %+v", first)
	}
	w.write(first.Path, "a.txt", "agent's\n")
	w.git(first.Path, "commit", "-qam", "work")
	w.write(first.Path, "new", "n")
	w.write(w.repo, "later", "")
	w.git(w.repo, "add", "-A")
	w.git(w.repo, "commit", "-qm", "main moved") // the base of a resumed task must not move with it
	before := w.state(first.Path)
	again := w.prepare("t1")
	if again.Created || again.Base != first.Base || again.Branch != first.Branch {
		t.Errorf("second Prepare = %+v, first %+v", again, first)
	}
	if after := w.state(first.Path); after != before {
		t.Errorf("worktree changed:\n%s\n%s", before, after)
	}
}

// TestPrepareFindsAWorktreeThatLeftItsBranch checks that no new worktree is made if the agent is on another branch, or
// on none, when its supervisor returns.
func TestPrepareFindsAWorktreeThatLeftItsBranch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.prepare("t1")
	w.git(first.Path, "checkout", "-q", "--detach")
	again := w.prepare("t1")
	if again.Created || again.Branch != first.Branch {
		t.Errorf("Prepare = %+v", again)
	}
}

func TestPrepareCompletesEveryHalfState(t *testing.T) {
	t.Parallel()
	admin := func(w *world) string { return filepath.Join(w.repo, ".git", "worktrees", "t1-x") }
	worked := "agent's\n"
	for name, c := range map[string]struct {
		spoil func(t *testing.T, w *world, wt Worktree)
		check func(t *testing.T, w *world, wt Worktree)
	}{
		"branch without worktree": {
			func(t *testing.T, w *world, wt Worktree) {
				w.git(w.repo, "worktree", "remove", "--force", wt.Path)
			}, nil,
		},
		"branch moved, no worktree": {
			func(t *testing.T, w *world, wt Worktree) {
				w.write(wt.Path, "a.txt", worked)
				w.git(wt.Path, "commit", "-qam", "work")
				w.git(w.repo, "worktree", "remove", "--force", wt.Path)
			},
			func(t *testing.T, w *world, wt Worktree) {
				if got := w.read(wt.Path, "a.txt"); got != worked {
					t.Errorf("a.txt = %q", got)
				}
			},
		},
		"record only": {
			func(t *testing.T, w *world, wt Worktree) {
				w.git(w.repo, "worktree", "remove", "--force", wt.Path)
				w.git(w.repo, "branch", "-D", wt.Branch)
			}, nil,
		},
		"killed in checkout": {
			func(t *testing.T, w *world, wt Worktree) {
				w.write(admin(w), "locked", "initializing")
				w.write(wt.Path, "a.txt", "on")
				for _, f := range []string{filepath.Join(wt.Path, "run.sh"), filepath.Join(admin(w), "index")} {
					if err := os.Remove(f); err != nil {
						t.Fatal(err)
					}
				}
				w.write(admin(w), "index.lock", "")
			}, nil,
		},
		"killed before HEAD": {
			func(t *testing.T, w *world, wt Worktree) {
				w.write(admin(w), "locked", "initializing")
				w.write(admin(w), "HEAD", strings.Repeat("0", 40)+"\n")
				if err := os.RemoveAll(wt.Path); err != nil {
					t.Fatal(err)
				}
			}, nil,
		},
		"directory gone, with a staged file": {
			func(t *testing.T, w *world, wt Worktree) {
				w.write(wt.Path, "staged", worked)
				w.git(wt.Path, "add", "staged")
				if err := os.RemoveAll(wt.Path); err != nil {
					t.Fatal(err)
				}
			},
			func(t *testing.T, w *world, wt Worktree) {
				if got := w.git(wt.Path, "status", "--porcelain"); got != "A  staged\n" {
					t.Errorf("status = %q", got)
				}
			},
		},
		"registration gone, with work": {
			func(t *testing.T, w *world, wt Worktree) {
				w.write(wt.Path, "a.txt", worked)
				w.write(wt.Path, "new", worked)
				if err := os.RemoveAll(admin(w)); err != nil {
					t.Fatal(err)
				}
			},
			func(t *testing.T, w *world, wt Worktree) {
				if got := w.git(wt.Path, "status", "--porcelain"); got != " M a.txt\n?? new\n" {
					t.Errorf("status = %q", got)
				}
			},
		},
		".git file gone, with work": {
			func(t *testing.T, w *world, wt Worktree) {
				w.write(wt.Path, "a.txt", worked)
				if err := os.Remove(filepath.Join(wt.Path, ".git")); err != nil {
					t.Fatal(err)
				}
			},
			func(t *testing.T, w *world, wt Worktree) {
				if got := w.git(wt.Path, "status", "--porcelain"); got != " M a.txt\n" {
					t.Errorf("status = %q", got)
				}
			},
		},
		"record gone": {
			func(t *testing.T, w *world, wt Worktree) {
				w.write(wt.Path, "a.txt", worked)
				w.git(wt.Path, "commit", "-qam", "work")
				if err := os.RemoveAll(filepath.Join(w.repo, ".git", "muster")); err != nil {
					t.Fatal(err)
				}
			}, nil,
		},
		"torn record": {
			func(t *testing.T, w *world, wt Worktree) {
				w.write(filepath.Dir(w.r.recordFile(wt.Path)), filepath.Base(w.r.recordFile(wt.Path)), `{"Path":`)
			}, nil,
		},
		"empty directory": {
			func(t *testing.T, w *world, wt Worktree) {
				w.git(w.repo, "worktree", "remove", "--force", wt.Path)
				if err := os.MkdirAll(wt.Path, 0o755); err != nil {
					t.Fatal(err)
				}
			}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			first := w.prepare("t1")
			c.spoil(t, w, first)
			again := w.prepare("t1")
			if again.Path != first.Path || again.Branch != first.Branch || again.Base != first.Base {
				t.Errorf("Prepare = %+v, want %+v", again, first)
			}
			if c.check != nil {
				c.check(t, w, again)
			} else if got := w.git(again.Path, "status", "--porcelain"); got != "" {
				t.Errorf("status = %q, want clean", got)
			}
			if got := w.git(again.Path, "symbolic-ref", "HEAD"); got != "refs/heads/muster/t1-x\n" {
				t.Errorf("HEAD = %q", got)
			}
			if n := strings.Count(w.git(w.repo, "worktree", "list", "--porcelain"), "worktree "); n != 2 {
				t.Errorf("%d worktrees:\n%s", n, w.git(w.repo, "worktree", "list"))
			}
			if third := w.prepare("t1"); third.Created {
				t.Errorf("third Prepare made something again: %+v", third)
			}
		})
	}
}

func TestPrepareLeavesOtherPeoplesBranchesAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.git(w.repo, "branch", "muster/t1-x")
	w.git(w.repo, "branch", "muster/t1-x-2/below")
	wt := w.prepare("t1")
	if wt.Branch != "muster/t1-x-3" {
		t.Errorf("branch = %s", wt.Branch)
	}
	if again := w.prepare("t1"); again.Branch != wt.Branch || again.Created {
		t.Errorf("again = %+v", again)
	}
	for n := 2; n <= 9; n++ {
		w.git(w.repo, "branch", fmt.Sprintf("muster/t2-x-%d", n))
	}
	w.git(w.repo, "branch", "muster/t2-x")
	_, err := w.r.Prepare(t.Context(), w.spec("t2"))
	faulttest.Want(t, err, fault.Conflict, "muster/t2-x", "git branch --list")
	if exists(w.spec("t2").Path) {
		t.Error("a directory was left behind")
	}
}

func TestPrepareGoesOnBesideABranchThatIsLookedAt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.prepare("t1")
	w.write(first.Path, "a.txt", "work\n")
	w.git(first.Path, "commit", "-qam", "work")
	w.git(w.repo, "worktree", "remove", first.Path)
	w.git(w.repo, "checkout", "-q", first.Branch)
	wt := w.prepare("t1")
	if wt.Branch != "muster/t1-x-2" || wt.Base != first.Base {
		t.Errorf("Prepare = %+v", wt)
	}
	if got := w.read(wt.Path, "a.txt"); got != "work\n" {
		t.Errorf("a.txt = %q", got)
	}
}

func TestPrepareDoesNotTakeTheWorkOfAnotherFleet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.spec("t1")
	old.Owner = "fleet one"
	if _, err := w.r.Prepare(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	mine := w.spec("t1")
	mine.Owner = "fleet two"
	_, err := w.r.Prepare(t.Context(), mine)
	faulttest.Want(t, err, fault.Conflict, old.Path)
	w.git(old.Path, "commit", "-q", "--allow-empty", "-m", "on the branch")
	w.git(old.Path, "checkout", "-q", "--detach")
	w.git(old.Path, "commit", "-q", "--allow-empty", "-m", "on none")
	lost := strings.TrimSpace(w.git(old.Path, "rev-parse", "HEAD"))
	if err := os.RemoveAll(w.under); err != nil { // a person deleted the state directory
		t.Fatal(err)
	}
	wt, err := w.r.Prepare(t.Context(), mine)
	if err != nil || wt.Branch != "muster/t1-x-2" || wt.Base != w.head("main") || w.head("muster/t1-x-2") != w.head("main") {
		t.Errorf("Prepare = %+v, %v", wt, err)
	}
	if got := w.head("refs/muster/lost/" + lost); got != lost {
		t.Errorf("the detached commit is gone: %s", got)
	}
}

func TestPrepareRefusesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	full := w.spec("t1")
	w.write(full.Path, "precious", "p")
	_, err := w.r.Prepare(t.Context(), full)
	faulttest.Want(t, err, fault.Conflict, full.Path)
	if got := w.read(full.Path, "precious"); got != "p" {
		t.Errorf("precious = %q", got)
	}
	link := w.spec("t2")
	if err := os.Symlink(w.repo, link.Path); err != nil {
		t.Fatal(err)
	}
	_, err = w.r.Prepare(t.Context(), link)
	faulttest.Want(t, err, fault.Conflict, link.Path)
	for _, path := range []string{filepath.Join(w.dir, "elsewhere"), w.under, w.under + "/../x", "relative", w.repo} {
		s := w.spec("t3")
		s.Path = path
		if _, err := w.r.Prepare(t.Context(), s); err == nil {
			t.Errorf("Prepare at %q worked", path)
		}
	}
	for _, branch := range []string{"-f", "", "a..b", "refs/heads/x", "x y"} {
		s := w.spec("t3")
		s.Branch = branch
		_, err := w.r.Prepare(t.Context(), s)
		faulttest.Want(t, err, fault.Usage)
	}
	s := w.spec("t3")
	s.Base = "nosuch"
	_, err = w.r.Prepare(t.Context(), s)
	faulttest.Want(t, err, fault.Conflict, "nosuch", "main")
	w.git(w.repo, "branch", "muster")
	_, err = w.r.Prepare(t.Context(), w.spec("t3"))
	faulttest.Want(t, err, fault.Conflict, `"muster"`)
}

func TestPrepareBeginsWhereTheUpstreamIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	remote := filepath.Join(w.dir, "remote.git")
	w.git(w.dir, "clone", "-q", "--bare", w.repo, remote)
	w.git(w.repo, "remote", "add", "origin", remote)
	w.git(w.repo, "fetch", "-q", "origin")
	w.git(w.repo, "branch", "-q", "-u", "origin/main")
	config := w.read(w.repo, ".git/config")
	other := filepath.Join(w.dir, "other")
	w.git(w.dir, "clone", "-q", remote, other)
	w.write(other, "theirs", "x")
	w.git(other, "add", "-A")
	w.git(other, "commit", "-qm", "theirs")
	w.git(other, "push", "-q", "origin", "main")

	if wt := w.prepare("t1"); wt.Base != w.head("main") {
		t.Errorf("the network was used: %+v", wt)
	}
	if err := w.r.Fetch(t.Context(), "origin"); err != nil {
		t.Fatal(err)
	}
	if wt := w.prepare("t2"); wt.Base != w.head("origin/main") || wt.Base == w.head("main") {
		t.Errorf("stale base: %+v", wt)
	}
	w.git(w.repo, "commit", "-q", "--allow-empty", "-m", "diverged")
	if wt := w.prepare("t3"); wt.Base != w.head("main") {
		t.Errorf("diverged branch was not taken as it is: %+v", wt)
	}
	if got := w.read(w.repo, ".git/config"); got != config {
		t.Errorf("the shared configuration was written:\n%s", got)
	}
	faulttest.Want(t, w.r.Fetch(t.Context(), "--upload-pack=touch x"), fault.Usage)
	faulttest.Want(t, w.r.Fetch(t.Context(), "nosuch"), fault.Failed, "nosuch")
}

func TestPrepareFromManyProcessesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	// Ten tasks are prepared by processes, each twice at once, and ten by goroutines.
	for i := range 20 {
		spec := w.spec(fmt.Sprintf("p%d", i/2))
		job, err := json.Marshal(prepareJob{Repo: w.repo, Under: w.under, Env: w.env, Spec: spec})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			cmd := exec.CommandContext(t.Context(), self)
			cmd.Env = []string{"GIT_TEST_PREPARE=" + string(job)}
			out, err := cmd.CombinedOutput()
			var wt Worktree
			if err != nil || json.Unmarshal(out, &wt) != nil || wt.Branch != spec.Branch {
				t.Errorf("process: %v: %s", err, out)
			}
		})
	}
	for i := range 10 {
		wg.Go(func() {
			wt, err := w.r.Prepare(t.Context(), w.spec(fmt.Sprintf("g%d", i)))
			if err != nil || !wt.Created {
				t.Errorf("goroutine: %+v, %v", wt, err)
			}
		})
	}
	wg.Wait()
	list := w.git(w.repo, "worktree", "list", "--porcelain")
	if n := strings.Count(list, "branch refs/heads/muster/"); n != 20 {
		t.Errorf("%d worktrees, want 20:\n%s", n, list)
	}
	if n := strings.Count(w.git(w.repo, "branch", "--list", "muster/*"), "muster/"); n != 20 {
		t.Errorf("%d branches, want 20", n)
	}
	for i := range 10 {
		if got := w.git(w.spec(fmt.Sprintf("p%d", i)).Path, "status", "--porcelain"); got != "" {
			t.Errorf("p%d: %s", i, got)
		}
	}
}

// TestTheLockOutlivesItsHolder checks that git inherits the lock, so that a git which outlives this process still
// excludes others.
func TestTheLockOutlivesItsHolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := filepath.Join(w.repo, ".git", lockName)
	f, err := lock.Wait(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), "cat")
	child.ExtraFiles = []*os.File{f}
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil { // as if killed
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := w.r.Prepare(t.Context(), w.spec("t1"))
		done <- err
	}()
	for range 20 {
		select {
		case err := <-done:
			t.Fatalf("Prepare did not wait: %v", err)
		default:
		}
		if _, err := lock.Try(path); !errors.Is(err, lock.ErrHeld) {
			t.Fatalf("the lock was free: %v", err)
		}
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func BenchmarkPrepare(b *testing.B) {
	for _, size := range []int{10, 1000} {
		w := newWorld(b)
		for i := range size {
			w.write(w.repo, fmt.Sprintf("src/d%d/f%d.go", i%20, i), strings.Repeat(fmt.Sprintln("line", i), 50))
		}
		w.git(w.repo, "add", "-A")
		w.git(w.repo, "commit", "-qm", "many")
		b.Run(fmt.Sprintf("muster/%d", size), func(b *testing.B) {
			for i := range b.N {
				w.prepare(fmt.Sprintf("b%d-%d", b.N, i))
			}
		})
		b.Run(fmt.Sprintf("plain/%d", size), func(b *testing.B) {
			for i := range b.N {
				name := fmt.Sprintf("p%d-%d", b.N, i)
				w.git(w.repo, "worktree", "add", "-q", "--no-track", "-b", name, filepath.Join(w.under, name), "main")
			}
		})
	}
}

// TestUnusualRepositories runs all steps of a task in repositories with unusual layouts.
func TestUnusualRepositories(t *testing.T) {
	t.Parallel()
	for name, lay := range map[string]func(w *world) string{
		"worktree of a bare one": func(w *world) string {
			w.git(w.dir, "clone", "-q", "--bare", w.repo, "b.git")
			w.git(filepath.Join(w.dir, "b.git"), "worktree", "add", "-q", "../co", "main")
			return filepath.Join(w.dir, "co")
		},
		"submodule": func(w *world) string {
			over := filepath.Join(w.dir, "over")
			w.git(w.dir, "init", "-q", over)
			w.git(over, "-c", "protocol.file.allow=always", "submodule", "add", "-q", w.repo, "sub")
			return filepath.Join(over, "sub")
		},
		"sha256": func(w *world) string {
			dir := filepath.Join(w.dir, "long")
			w.git(w.dir, "init", "-q", "-b", "main", "--object-format=sha256", dir)
			w.write(dir, "a.txt", "one\n")
			w.git(dir, "add", "-A")
			w.git(dir, "commit", "-qm", "first")
			return dir
		},
		"separate git directory": func(w *world) string {
			w.git(w.dir, "clone", "-q", "--separate-git-dir", filepath.Join(w.dir, "sep"), w.repo, "co")
			return filepath.Join(w.dir, "co")
		},
		"packed": func(w *world) string {
			w.git(w.repo, "gc", "-q")
			w.git(w.repo, "pack-refs", "--all")
			return w.repo
		},
		"sparse": func(w *world) string {
			w.git(w.repo, "sparse-checkout", "set", "--cone", "other")
			return w.repo
		},
		"shallow": func(w *world) string {
			w.git(w.dir, "clone", "-q", "--depth=1", "file://"+w.repo, "co")
			return filepath.Join(w.dir, "co")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.repo = lay(w)
			w.r = w.open(w.repo)
			ctx := t.Context()
			wt := w.prepare("t1")
			w.write(wt.Path, "a.txt", "work\n")
			w.write(wt.Path, "dir/new", "n\n")
			before := w.state(wt.Path)
			ref := w.keep(wt.Path, "t1")
			if err := w.r.RemoveWorktree(ctx, wt.Path, true); err != nil {
				t.Fatal(err)
			}
			if err := w.r.Restore(ctx, RestoreSpec{Path: wt.Path, Branch: wt.Branch, Ref: ref}); err != nil {
				t.Fatal(err)
			}
			if after := w.state(wt.Path); after != before && name != "sparse" {
				t.Errorf("restored:\n%q\nwant\n%q", after, before)
			}
			if got := w.read(wt.Path, "dir/new"); got != "n\n" {
				t.Errorf("dir/new = %q", got)
			}
			if _, err := w.land(wt, w.tree(wt.Path)); err != nil {
				t.Fatal(err)
			}
			if err := w.r.RemoveWorktree(ctx, wt.Path, false); err != nil {
				t.Fatal(err)
			}
			w.git(w.repo, "branch", "-q", "-D", wt.Branch)
		})
	}
}
