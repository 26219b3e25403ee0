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

func (w *world) find(l Locator) *Repo {
	w.t.Helper()
	r, err := Find(w.t.Context(), l, Under(w.under), Env(w.env), Private(w.private()))
	if err != nil {
		w.t.Fatalf("Find(%+v): %v", l, err)
	}
	return r
}

// TestFindGoesOnWithoutTheCheckout checks that a task belongs to its repository, not to the checkout in which it was
// dispatched.
func TestFindGoesOnWithoutTheCheckout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine := filepath.Join(w.dir, "mine")
	w.git(w.repo, "worktree", "add", "-q", mine, "-b", "mine")
	w.r = w.open(mine)
	wt := w.prepare("t1")
	w.write(wt.Path, "new", "n\n")
	w.git(w.repo, "worktree", "remove", "--force", mine)
	if !w.r.There() {
		t.Error("the repository that was opened counts as gone")
	}
	for name, l := range map[string]Locator{
		"by its git directory": {GitDir: w.r.Common, Checkout: mine},
		"by a worktree":        {Checkout: mine, Worktree: wt.Path},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.find(l)
			if tree, err := r.Tree(t.Context(), wt.Path); err != nil || !strings.Contains(w.git(w.repo, "ls-tree", "--name-only", tree), "new") {
				t.Errorf("Tree = %s, %v", tree, err)
			}
			if _, err := r.Keep(t.Context(), wt.Path, "t1", ""); err != nil {
				t.Error(err)
			}
			var b strings.Builder
			if err := r.Diff(t.Context(), &b, wt.Base, wt.Path, DiffOptions{}); err != nil || !strings.Contains(b.String(), "+n") {
				t.Errorf("Diff = %q, %v", b.String(), err)
			}
		})
	}
	r := w.find(Locator{GitDir: w.r.Common, Checkout: mine})
	if wt2, err := r.Prepare(t.Context(), w.spec("t2")); err != nil || !exists(filepath.Join(wt2.Path, "a.txt")) {
		t.Errorf("Prepare = %+v, %v", wt2, err)
	}
	if err := r.RemoveWorktree(t.Context(), wt.Path, true); err != nil {
		t.Error(err)
	}
}

// TestSharedConfigurationMadeBare covers git init with GIT_DIR set, as in a test's fixture that a hook runs: it sets
// core.bare for all worktrees.
func TestSharedConfigurationMadeBare(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	w.write(wt.Path, "new", "n\n")
	w.git(w.repo, "config", "core.bare", "true")
	_, err := Open(t.Context(), w.repo, Env(w.env))
	faulttest.Want(t, err, fault.Conflict, "config core.bare false")
	w.r = w.find(Locator{GitDir: filepath.Join(w.repo, ".git"), Checkout: w.repo})
	w.prepare("t2")
	ref := w.keep(wt.Path, "t1")
	if _, err := w.land(wt, w.tree(wt.Path)); err != nil {
		t.Error(err)
	}
	if err := w.r.RemoveWorktree(t.Context(), wt.Path, true); err != nil {
		t.Error(err)
	}
	if err := w.r.Restore(t.Context(), RestoreSpec{Path: wt.Path, Branch: wt.Branch, Ref: ref}); err != nil {
		t.Error(err)
	}
}

// TestFindSaysThatARepositoryIsGone checks that files are set aside if their repository was moved or deleted, or if
// they cannot be removed.
func TestFindSaysThatARepositoryIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	w.write(wt.Path, "new", "n\n")
	if err := os.Rename(w.repo, w.repo+".moved"); err != nil {
		t.Fatal(err)
	}
	for _, l := range []Locator{
		{GitDir: filepath.Join(w.repo, ".git"), Checkout: w.repo, Worktree: wt.Path}, {Checkout: w.repo, Worktree: wt.Path},
	} {
		_, err := Find(t.Context(), l, Env(w.env))
		if !errors.Is(err, ErrNoRepository) {
			t.Errorf("Find = %v", err)
		}
		faulttest.Want(t, err, fault.NotFound, w.repo, "muster rm --force")
	}
	aside := filepath.Join(w.dir, "state", "kept")
	for _, want := range []string{"t1-x", "t1-x-2"} {
		at, err := SetAside(wt.Path, aside)
		if err != nil || at != filepath.Join(aside, want) || w.read(at, "new") != "n\n" {
			t.Errorf("SetAside = %q, %v", at, err)
		}
		w.write(removingPath(wt.Path), "new", "n\n") // a removal that stopped halfway
	}
	if err := os.RemoveAll(removingPath(wt.Path)); err != nil {
		t.Fatal(err)
	}
	if at, err := SetAside(wt.Path, aside); at != "" || err != nil {
		t.Errorf("nothing is there: SetAside = %q, %v", at, err)
	}
}

// TestARepositoryInPlaceOfTheWorktrees checks that an agent which replaces the worktree's repository loses neither its
// files nor its commits.
func TestARepositoryInPlaceOfTheWorktrees(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	if err := os.Remove(filepath.Join(wt.Path, ".git")); err != nil {
		t.Fatal(err)
	}
	w.git(wt.Path, "init", "-q")
	w.write(wt.Path, "own", "1\n")
	w.git(wt.Path, "add", "-A")
	w.git(wt.Path, "commit", "-qm", "own")
	own := strings.TrimSpace(w.git(wt.Path, "rev-parse", "HEAD"))
	w.write(wt.Path, "own", "2\n")
	ref := w.keep(wt.Path, "t1")
	if err := w.r.RemoveWorktree(t.Context(), wt.Path, true); err != nil {
		t.Fatal(err)
	}
	w.wantWhole()
	if got := w.git(w.repo, "show", ref+":own"); got != "2\n" {
		t.Errorf("own = %q", got)
	}
	w.git(w.repo, "merge-base", "--is-ancestor", own, ref)
	if err := w.r.Restore(t.Context(), RestoreSpec{Path: wt.Path, Branch: wt.Branch, Ref: ref}); err != nil {
		t.Fatal(err)
	}
	if got := w.git(wt.Path, "status", "--porcelain"); got != "?? own\n" {
		t.Errorf("status = %q", got)
	}
}

// TestResolveInALinkedCheckout checks that HEAD and similar names are those of the checkout that was opened.
func TestResolveInALinkedCheckout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.head("HEAD")
	w.git(w.repo, "commit", "-q", "--allow-empty", "-m", "second")
	mine := filepath.Join(w.dir, "mine")
	w.git(w.repo, "worktree", "add", "-q", "--detach", mine, first)
	r := w.open(mine)
	if got, err := r.Resolve(t.Context(), "HEAD"); got != first || err != nil {
		t.Errorf("HEAD = %s, %v; want %s", got, err, first)
	}
	w.git(mine, "checkout", "-q", "-b", "feature")
	w.git(mine, "commit", "-q", "--allow-empty", "-m", "third")
	if got, err := r.Resolve(t.Context(), "HEAD~1"); got != first || err != nil {
		t.Errorf("HEAD~1 = %s, %v; want %s", got, err, first)
	}
	w.git(w.repo, "tag", "v1")
	for rev, want := range map[string]bool{
		"main": true, "feature": true, "v1": true, "refs/heads/main": true, "HEAD": false, "HEAD~1": false, "main~1": false, first: false, "fea": false,
	} {
		if got, err := r.Named(t.Context(), rev); got != want || err != nil {
			t.Errorf("Named(%s) = %v, %v", rev, got, err)
		}
	}
}

// TestDiffIsForGitApply checks that git apply accepts the output of Diff, whatever the user's configuration.
func TestDiffIsForGitApply(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(w.dir, "home/.gitconfig", `[diff]
	noprefix = true
	mnemonicPrefix = true
	context = 0
	renames = copies
	submodule = log
	external = false
	algorithm = histogram
[color]
	ui = always
[core]
	quotePath = false
`)
	wt := w.prepare("t1")
	mess(w, wt.Path)
	w.write(wt.Path, "picture", "\x00\x01\x02")
	w.write(w.repo, "a.txt", "one\n")
	var b strings.Builder
	if err := w.r.Diff(t.Context(), &b, wt.Base, wt.Path, DiffOptions{}); err != nil {
		t.Fatal(err)
	}
	w.write(w.dir, "diff", b.String())
	w.git(w.repo, "status")
	w.pipe(w.repo, filepath.Join(w.dir, "diff"), "apply", "--index")
	if got, want := strings.TrimSpace(w.git(w.repo, "write-tree")), w.tree(wt.Path); got != want {
		t.Errorf("applied it is %s, want %s\n%s", got, want, b.String())
	}
}
