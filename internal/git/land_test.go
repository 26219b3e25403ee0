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

func (w *world) land(wt Worktree, tree string) (string, error) {
	w.t.Helper()
	return w.r.Land(w.t.Context(), LandSpec{WorkSpec: work(wt), Tree: tree, Message: "the task\n\nDone."})
}

// work returns the spec of a prepared worktree's work.
func work(wt Worktree) WorkSpec {
	return WorkSpec{Worktree: wt.Path, Branch: wt.Branch, Base: wt.Base, Onto: []string{"main"}, Baseline: "refs/muster/round/t1/start"}
}

func TestLandMakesOneCommitOfExactlyTheTree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	w.write(wt.Path, "own", "o\n")
	w.git(wt.Path, "add", "own")
	w.git(wt.Path, "commit", "-qm", "agent's own")
	own := w.head(wt.Branch)
	mess(w, wt.Path)
	tree := w.tree(wt.Path)
	commit, err := w.land(wt, tree)
	if err != nil {
		t.Fatal(err)
	}
	if w.head(wt.Branch) != commit || w.head(commit+"^{tree}") != tree || w.head(commit+"^") != own {
		t.Errorf("landed %s on %s", commit, w.head(wt.Branch))
	}
	if got := w.git(w.repo, "log", "-1", "--format=%an|%B", commit); got != "muster|the task\n\nDone.\n\n" {
		t.Errorf("commit = %q", got)
	}
	if got := w.git(wt.Path, "status", "--porcelain"); got != "" {
		t.Errorf("status = %q, want clean", got)
	}
	if again, err := w.land(wt, tree); again != commit || err != nil {
		t.Errorf("second Land = %s, %v", again, err)
	}
	w.write(wt.Path, "after", "next turn\n") // recovery after a crash finds it landed, whatever came later
	if again, err := w.land(wt, tree); again != commit || err != nil {
		t.Errorf("third Land = %s, %v", again, err)
	}
}

func TestLandWithNothingUncommittedIsHEAD(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	w.git(wt.Path, "commit", "-q", "--allow-empty", "-m", "own")
	if got, err := w.land(wt, w.tree(wt.Path)); err != nil || got != w.head(wt.Branch) {
		t.Errorf("Land = %s, %v", got, err)
	}
}

func TestLandIsFinishedAfterACrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	w.write(wt.Path, "new", "n\n")
	s, err := w.r.Snapshot(t.Context(), wt.Path, "refs/muster/snap/t1", "m")
	if err != nil {
		t.Fatal(err)
	}
	w.git(w.repo, "update-ref", "refs/heads/"+wt.Branch, s.Commit) // killed between the branch and the index
	if got, err := w.land(wt, s.Tree); err != nil || got != s.Commit {
		t.Errorf("Land = %s, %v", got, err)
	}
	if got := w.git(wt.Path, "status", "--porcelain"); got != "" {
		t.Errorf("status = %q", got)
	}
}

func TestLandRefusesWhatMoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	w.write(wt.Path, "new", "n\n")
	tree := w.tree(wt.Path)
	w.write(wt.Path, "new", "written while checks ran\n")
	before := w.state(wt.Path)
	if _, err := w.land(wt, tree); !errors.Is(err, ErrMoved) {
		t.Errorf("err = %v", err)
	}
	if after := w.state(wt.Path); after != before {
		t.Errorf("something was changed:\n%q\n%q", before, after)
	}
	_, err := w.land(wt, "main")
	faulttest.Want(t, err, fault.Usage)
}

func TestLandRefusesAnotherBranch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		leave func(w *world, dir string)
		want  BranchError
	}{
		"other":    {func(w *world, dir string) { w.git(dir, "checkout", "-q", "-b", "mine") }, BranchError{Have: "mine"}},
		"detached": {func(w *world, dir string) { w.git(dir, "checkout", "-q", "--detach") }, BranchError{}},
		"rebase": {func(w *world, dir string) {
			w.write(dir, "a.txt", "x\n")
			w.git(dir, "commit", "-qam", "x")
			w.write(w.repo, "a.txt", "y\n")
			w.git(w.repo, "commit", "-qam", "y")
			_, _ = w.tryGit(dir, "rebase", "main")
		}, BranchError{Doing: "rebase"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			wt := w.prepare("t1")
			c.leave(w, wt.Path)
			before := w.head(wt.Branch)
			_, err := w.land(wt, w.tree(wt.Path))
			e, ok := errors.AsType[*BranchError](err)
			if !ok || !errors.Is(err, ErrBranch) || e.Have != c.want.Have || e.Doing != c.want.Doing || e.Want != wt.Branch {
				t.Errorf("err = %v", err)
			}
			if w.head(wt.Branch) != before {
				t.Error("the branch was moved")
			}
		})
	}
}

func TestLandFinishesAMerge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	w.write(wt.Path, "a.txt", "x\n")
	w.git(wt.Path, "commit", "-qam", "x")
	w.write(w.repo, "a.txt", "y\n")
	w.git(w.repo, "commit", "-qam", "y")
	if _, err := w.tryGit(wt.Path, "merge", "main"); err == nil {
		t.Fatal("no conflict")
	}
	w.write(wt.Path, "a.txt", "x and y\n")
	w.git(wt.Path, "add", "a.txt")
	commit, err := w.land(wt, w.tree(wt.Path))
	if err != nil {
		t.Fatal(err)
	}
	if w.head(commit+"^2") != w.head("main") {
		t.Error("the merge lost its other side")
	}
	if got := w.git(wt.Path, "status"); strings.Contains(got, "merging") || !strings.Contains(got, "clean") {
		t.Errorf("status = %s", got)
	}
}

func TestLandRefusesForeignHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	w.git(wt.Path, "checkout", "-q", "--orphan", "fresh")
	w.git(wt.Path, "commit", "-qm", "from nothing")
	w.git(wt.Path, "branch", "-q", "-M", "fresh", wt.Branch)
	w.write(wt.Path, "new", "n")
	_, err := w.land(wt, w.tree(wt.Path))
	faulttest.Want(t, err, fault.Conflict, "no history in common")
}

// A supervisor that was killed left its lock and a part of an index.
func TestLandGoesOnWhereMusterWasKilledWithTheIndexLocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	w.write(wt.Path, "new", "n")
	admin := filepath.Join(w.repo, ".git/worktrees/t1-x")
	w.write(admin, "index.lock", ourLock)
	w.write(admin, "index.lock.muster", ourLock)
	w.write(admin, "index.muster", "DIRC")
	if _, err := w.land(wt, w.tree(wt.Path)); err != nil {
		t.Error(err)
	}
	if got := w.git(wt.Path, "status", "--porcelain"); got != "" {
		t.Errorf("status = %q", got)
	}
	for _, name := range []string{"index.lock", "index.lock.muster", "index.muster"} {
		if exists(filepath.Join(admin, name)) {
			t.Errorf("%s is left", name)
		}
	}
}

func TestLandSaysWhoHoldsTheIndex(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	w.write(wt.Path, "new", "n")
	lock := filepath.Join(w.repo, ".git/worktrees/t1-x/index.lock")
	w.write(filepath.Dir(lock), "index.lock", "")
	tree := w.tree(wt.Path)
	_, err := w.land(wt, tree)
	faulttest.Want(t, err, fault.Failed, lock)
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	if _, err := w.land(wt, tree); err != nil {
		t.Error(err)
	}
	if got := w.git(wt.Path, "status", "--porcelain"); got != "" {
		t.Errorf("status = %q", got)
	}
}
