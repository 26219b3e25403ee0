package git

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/fault"
)

// TestOddFilesBelowAgentsBranchesHoldNoGit puts a FIFO where git opens a ref or a reflog. The call ends soon and names it.
func TestOddFilesBelowAgentsBranchesHoldNoGit(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"refs/heads/muster/odd", "refs/heads/muster/deep/odd", "objects/info/alternates"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			wt := w.prepare("t1")
			w.write(wt.Path, "new", "n\n")
			path := filepath.Join(w.repo, ".git", name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.RemoveAll(path), syscall.Mkfifo(path, 0o600)); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_, err := w.r.git(t.Context(), call{args: []string{"for-each-ref", "--format=%(objectname) %(tree)"}})
			if took := time.Since(began); took > readTimeout {
				t.Errorf("it took %s", took)
			}
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(fault.HintOf(err), path) {
				t.Errorf("git: %v, hint %q", err, fault.HintOf(err))
			}
		})
	}
}

// TestARefThatIsTooLargeEndsGit lets an agent make one of its branches a file of a terabyte, which git would read into its memory.
func TestARefThatIsTooLargeEndsGit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.prepare("t1")
	path := filepath.Join(w.repo, ".git/refs/heads/muster/large")
	w.write(filepath.Dir(path), "large", "")
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Fatal(err)
	}
	_, err := w.r.git(t.Context(), call{args: []string{"for-each-ref"}})
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "bytes") || !strings.Contains(fault.HintOf(err), "rm "+path) {
		t.Errorf("git: %v, hint %q", err, fault.HintOf(err))
	}
}

// TestAnIncludeThatIsOddEndsTheFirstLook makes the repository's configuration include a FIFO before muster knows the repository.
func TestAnIncludeThatIsOddEndsTheFirstLook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := filepath.Join(w.dir, "included")
	w.git(w.repo, "config", "include.path", path)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err := Open(t.Context(), filepath.Join(w.repo, "dir"), Under(w.under), Env(w.env), Private(w.private()))
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(fault.HintOf(err), path) {
		t.Errorf("Open: %v, hint %q", err, fault.HintOf(err))
	}
	if took := time.Since(began); took > readTimeout {
		t.Errorf("it took %s", took)
	}
}

// TestFreezeOfASpoiledConfigurationForgetsNothing lets an agent spoil the configuration between two dispatches.
func TestFreezeOfASpoiledConfigurationForgetsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.git(w.repo, "config", "core.autocrlf", "input")
	w.r = w.open(w.repo)
	if err := w.r.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := w.read(w.r.viewDir(), "frozen.json")
	w.write(w.repo, ".git/config", "[core\n")
	again, err := Find(t.Context(), Locator{GitDir: filepath.Join(w.repo, ".git"), Checkout: w.repo}, Under(w.under), Env(w.env), Private(w.private()))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Freeze(t.Context()); err == nil || !strings.Contains(err.Error(), "configuration") {
		t.Errorf("Freeze: %v", err)
	}
	if after := w.read(w.r.viewDir(), "frozen.json"); after != before || !strings.Contains(after, "autocrlf") {
		t.Errorf("frozen: %s", after)
	}
}

// TestLocksOfAKilledGitHoldNoCall leaves the lock files that a git can leave behind which was killed, and goes on.
func TestLocksOfAKilledGitHoldNoCall(t *testing.T) {
	t.Parallel()
	for name, lock := range map[string]func(w *world, wt Worktree) string{
		"the branch of the task": func(w *world, wt Worktree) string {
			return filepath.Join(w.repo, ".git/refs/heads", wt.Branch+".lock")
		},
		"a private ref": func(w *world, _ Worktree) string {
			return filepath.Join(w.repo, ".git/refs/muster/round/t1/1.lock")
		},
		"HEAD of the view": func(w *world, wt Worktree) string { // a person has checked out the task's branch, so that git locks it, too
			w.git(w.repo, "symbolic-ref", "HEAD", "refs/heads/"+wt.Branch)
			w.r = w.open(w.repo)
			if _, err := w.r.viewed(w.t.Context()); err != nil {
				w.t.Fatal(err)
			}
			return filepath.Join(w.r.viewDir(), "HEAD.lock")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			wt := w.prepare("t1")
			w.write(wt.Path, "new", "n\n")
			path := lock(w, wt)
			w.write(filepath.Dir(path), filepath.Base(path), "")
			s, err := w.r.Snapshot(t.Context(), wt.Path, "refs/muster/round/t1/1", "m")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.land(wt, s.Tree); err != nil {
				t.Error(err)
			}
			if exists(path) {
				t.Errorf("%s is still there", path)
			}
		})
	}
}

// TestALockOfTheUsersIsNamedAndStays holds a lock that a git of the user's may hold.
func TestALockOfTheUsersIsNamedAndStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	ref := w.keep(wt.Path, "t1")
	w.git(w.repo, "pack-refs", "--all")
	path := filepath.Join(w.repo, ".git/packed-refs.lock")
	w.write(filepath.Dir(path), "packed-refs.lock", "")
	err := w.r.DropRefs(t.Context(), ref)
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(fault.HintOf(err), "rm "+path) {
		t.Errorf("DropRefs: %v, hint %q", err, fault.HintOf(err))
	}
	if !exists(path) {
		t.Error("a lock of the user's was removed")
	}
}

// TestLandWritesNoReflogOutsideOfTheRepository makes the reflog of the branch, or a directory of it, a link to the user's files.
func TestLandWritesNoReflogOutsideOfTheRepository(t *testing.T) {
	t.Parallel()
	for name, replace := range map[string]func(log, outside string) error{
		"the file": func(log, outside string) error {
			return errors.Join(os.Remove(log), os.Symlink(filepath.Join(outside, "profile"), log))
		},
		"its directory": func(log, outside string) error {
			return errors.Join(os.RemoveAll(filepath.Dir(log)), os.Symlink(outside, filepath.Dir(log)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			wt := w.prepare("t1")
			w.write(wt.Path, "new", "n\n")
			outside := t.TempDir()
			w.write(outside, "profile", "mine\n")
			log := filepath.Join(w.repo, ".git/logs/refs/heads", wt.Branch)
			if err := replace(log, outside); err != nil {
				t.Fatal(err)
			}
			s, err := w.r.Snapshot(t.Context(), wt.Path, "refs/muster/round/t1/1", "m")
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.land(wt, s.Tree)
			if fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), "reflog") || fault.HintOf(err) == "" {
				t.Errorf("Land: %v (%s)", err, fault.HintOf(err))
			}
			if b, _ := os.ReadFile(filepath.Join(outside, "profile")); string(b) != "mine\n" {
				t.Errorf("the user's file holds %q", b)
			}
			if found, _ := os.ReadDir(outside); len(found) != 1 {
				t.Errorf("the user's directory holds %v", found)
			}
		})
	}
}

// TestAgentPaths_GrantNoRepositoryThatAnAgentHasNamed lets an agent write the list of repositories to borrow objects from.
func TestAgentPaths_GrantNoRepositoryThatAnAgentHasNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lent, secret := filepath.Join(w.dir, "lent"), filepath.Join(w.dir, "secret")
	for _, dir := range []string{lent, secret} {
		w.git(w.dir, "init", "-q", dir)
	}
	list := filepath.Join(w.repo, ".git/objects/info/alternates")
	w.write(w.repo, ".git/objects/info/alternates", filepath.Join(lent, ".git/objects")+"\n")
	wt := w.prepare("t1")
	w.write(w.repo, ".git/objects/info/alternates", filepath.Join(secret, ".git/objects")+"\n")
	read, write, err := w.r.AgentPaths(t.Context(), wt.Path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(read, realPath(filepath.Join(lent, ".git/objects"))) {
		t.Errorf("what the repository borrowed from at the dispatch is not granted: %v", read)
	}
	if granted := slices.Concat(read, write); slices.ContainsFunc(granted, func(p string) bool { return strings.Contains(p, "secret") }) {
		t.Errorf("%s of an agent was believed: %v", list, granted)
	}
	// A later dispatch beside the agent's worktree does not believe it either.
	if err := w.r.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if read, _, err = w.r.AgentPaths(t.Context(), wt.Path); err != nil || slices.ContainsFunc(read, func(p string) bool { return strings.Contains(p, "secret") }) {
		t.Errorf("after another dispatch: %v, %v", read, err)
	}
}
