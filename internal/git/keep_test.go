package git

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"muster/internal/fault"
	"muster/internal/fault/faulttest"
)

// mess makes every kind of change that a worktree can hold.
func mess(w *world, dir string) {
	w.t.Helper()
	w.write(dir, "a.txt", "staged\n")
	w.git(dir, "add", "a.txt")
	w.write(dir, "a.txt", "staged, then changed\n")
	w.write(dir, "only-staged", "s\n")
	w.git(dir, "add", "only-staged")
	w.write(dir, "unt räcked\n\"x\"", "u\n")
	w.write(dir, "-dash", "d\n")
	w.write(dir, ":(top)colon", "c\n")
	w.write(dir, "deep/er/new", "\x00binary\r\n")
	w.write(dir, "ignored.log", "i\n")
	w.git(dir, "rm", "-q", "dir/b.txt")
	for _, f := range []func() error{
		func() error { return os.Remove(filepath.Join(dir, "gone.txt")) },
		func() error { return os.Chmod(filepath.Join(dir, "run.sh"), 0o755) },
		func() error { return os.Symlink("/etc/passwd", filepath.Join(dir, "link")) },
	} {
		if err := f(); err != nil {
			w.t.Fatal(err)
		}
	}
	w.write(dir, "staged-then-gone", "g\n")
	w.git(dir, "add", "staged-then-gone")
	if err := os.Remove(filepath.Join(dir, "staged-then-gone")); err != nil {
		w.t.Fatal(err)
	}
}

func TestSnapshotLeavesTheWorktreeAsItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	mess(w, wt.Path)
	before := w.state(wt.Path)
	index := w.read(filepath.Join(w.repo, ".git/worktrees/t1-x"), "index")
	s, err := w.r.Snapshot(t.Context(), wt.Path, "refs/muster/snap/t1", "turn 1")
	if err != nil {
		t.Fatal(err)
	}
	if after := w.state(wt.Path); after != before {
		t.Errorf("worktree changed:\n%q\n%q", before, after)
	}
	if w.read(filepath.Join(w.repo, ".git/worktrees/t1-x"), "index") != index {
		t.Error("the index was written")
	}
	if left, _ := filepath.Glob(filepath.Join(w.repo, ".git/worktrees/t1-x/muster-index-*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
	if !s.Dirty || s.Head != w.head(wt.Branch) || s.HeadTree != w.head(wt.Branch+"^{tree}") ||
		w.head("refs/muster/snap/t1") != s.Commit || w.head(s.Commit+"^{tree}") != s.Tree || w.head(s.Commit+"^") != s.Head {
		t.Errorf("Snapshot = %+v", s)
	}
	got := strings.Split(strings.TrimSuffix(w.git(w.repo, "ls-tree", "-r", "-z", "--name-only", s.Tree), "\x00"), "\x00")
	want := []string{
		"-dash", ".gitignore", ":(top)colon", "a.txt", "deep/er/new", "link", "only-staged", "run.sh", "unt räcked\n\"x\"",
	}
	if !slices.Equal(got, want) {
		t.Errorf("tree holds %q, want %q", got, want)
	}
	again, err := w.r.Snapshot(t.Context(), wt.Path, "refs/muster/snap/t1", "turn 1 again")
	if err != nil || again != s {
		t.Errorf("same state again = %+v, %v", again, err)
	}
	if who := w.git(w.repo, "log", "-1", "--format=%an %ae %cn %s", s.Commit); who != "muster muster@localhost muster turn 1\n" {
		t.Errorf("commit by %q", who)
	}
	_, err = w.r.Snapshot(t.Context(), wt.Path, "refs/heads/main", "")
	faulttest.Want(t, err, fault.Usage)
}

// TestHiddenChangesAreTaken checks that an index flag does not hide work. Agents set such flags to silence git status.
func TestHiddenChangesAreTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	w.git(wt.Path, "update-index", "--assume-unchanged", "a.txt")
	w.git(wt.Path, "update-index", "--skip-worktree", "dir/b.txt")
	w.write(wt.Path, "a.txt", "hidden 1\n")
	w.write(wt.Path, "dir/b.txt", "hidden 2\n")
	tree := w.tree(wt.Path)
	for path, want := range map[string]string{"a.txt": "hidden 1\n", "dir/b.txt": "hidden 2\n"} {
		if got := w.git(w.repo, "show", tree+":"+path); got != want {
			t.Errorf("%s = %q", path, got)
		}
	}
	if got := w.git(wt.Path, "ls-files", "-v", "a.txt"); got != "h a.txt\n" {
		t.Errorf("the agent's flag is gone: %q", got)
	}
}

func TestAChangeInTheInstantOfTheIndexIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	for _, content := range []string{"abc\n", "abd\n", "xyz\n", "uvw\n"} { // same size, as fast as possible
		w.write(wt.Path, "a.txt", content)
		w.git(wt.Path, "add", "a.txt")
		w.write(wt.Path, "a.txt", strings.ToUpper(content))
		if got := w.git(w.repo, "show", w.tree(wt.Path)+":a.txt"); got != strings.ToUpper(content) {
			t.Errorf("a.txt = %q, want %q", got, strings.ToUpper(content))
		}
	}
}

func TestTheUsersSetUpDoesNotHinder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	trap := filepath.Join(w.dir, "trap")
	ran := filepath.Join(w.dir, "ran")
	hooks := filepath.Join(w.dir, "hooks")
	w.write(w.dir, "trap", "#!/bin/sh\necho \"$0 $*\" >> "+ran+"\nexit 1\n")
	for _, hook := range []string{
		"pre-commit", "commit-msg", "prepare-commit-msg", "post-commit", "post-checkout", "reference-transaction", "post-index-change",
	} {
		w.write(hooks, hook, "#!/bin/sh\necho \"$0\" >> "+ran+"\nexit 1\n")
		for _, p := range []string{trap, filepath.Join(hooks, hook)} {
			if err := os.Chmod(p, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.write(w.dir, "home/.gitconfig", `[commit]
	gpgSign = true
[gpg]
	program = `+trap+`
[core]
	hooksPath = `+hooks+`
	editor = `+trap+`
	fsmonitor = `+trap+`
	pager = `+trap+`
	safecrlf = true
	autocrlf = input
	quotePath = true
[user]
	useConfigOnly = true
[log]
	showSignature = true
[diff]
	external = `+trap+`
[color]
	ui = always
[status]
	relativePaths = true
	showUntrackedFiles = no
[credential]
	helper = `+trap+`
[advice]
	detachedHead = true
[branch]
	autoSetupMerge = always
`)
	ctx := t.Context()
	wt := w.prepare("t1")
	w.write(wt.Path, "crlf", "a\r\nb\n")
	s, err := w.r.Snapshot(ctx, wt.Path, "refs/muster/snap/t1", "m")
	if err != nil {
		t.Fatal(err)
	}
	ref := w.keep(wt.Path, "t1")
	commit, err := w.r.Land(ctx, LandSpec{WorkSpec: work(wt), Tree: s.Tree, Message: "land"})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := w.r.Diff(ctx, &b, "main", wt.Path, DiffOptions{}); err != nil || !strings.Contains(b.String(), "+++ b/crlf") {
		t.Errorf("Diff = %q, %v", b.String(), err)
	}
	if log, err := w.r.Log(ctx, "main", wt.Branch); err != nil || len(log) != 1 || log[0].Hash != commit {
		t.Errorf("Log = %+v, %v", log, err)
	}
	if err := w.r.RemoveWorktree(ctx, wt.Path, false); err != nil {
		t.Fatal(err)
	}
	if err := w.r.Restore(ctx, RestoreSpec{Path: wt.Path, Branch: wt.Branch, Ref: ref}); err != nil {
		t.Fatal(err)
	}
	if exists(ran) {
		t.Errorf("these ran: %s", w.read(w.dir, "ran"))
	}
}

func TestKeepRemoveRestoreIsTheSameByteForByte(t *testing.T) {
	t.Parallel()
	for _, branchGone := range []bool{false, true} {
		w := newWorld(t)
		ctx := t.Context()
		wt := w.prepare("t1")
		w.write(wt.Path, "committed", "c\n")
		w.git(wt.Path, "add", "committed")
		w.git(wt.Path, "commit", "-qm", "agent's own")
		mess(w, wt.Path)
		if err := os.Remove(filepath.Join(wt.Path, "ignored.log")); err != nil {
			t.Fatal(err)
		}
		before := w.state(wt.Path)
		ref := w.keep(wt.Path, "t1")
		if ref != "refs/muster/keep/t1/1" {
			t.Errorf("ref = %s", ref)
		}
		if after := w.state(wt.Path); after != before {
			t.Errorf("Keep changed the worktree:\n%q\n%q", before, after)
		}
		faulttest.Want(t, w.r.RemoveWorktree(ctx, wt.Path, false), fault.Conflict, wt.Path)
		if err := w.r.RemoveWorktree(ctx, wt.Path, true); err != nil {
			t.Fatal(err)
		}
		if branchGone {
			w.git(w.repo, "branch", "-q", "-D", wt.Branch)
			w.git(w.repo, "gc", "-q", "--prune=now")
		}
		spec := RestoreSpec{Path: wt.Path, Branch: wt.Branch, Ref: ref}
		for range 2 { // the second changes nothing
			if err := w.r.Restore(ctx, spec); err != nil {
				t.Fatal(err)
			}
			if after := w.state(wt.Path); after != before {
				t.Errorf("branch gone %v: restored is not what was kept:\n%q\n%q", branchGone, before, after)
			}
		}
		w.write(wt.Path, "further", "f\n")
		faulttest.Want(t, w.r.Restore(ctx, spec), fault.Conflict, wt.Path)
	}
}

func TestRestoreIsFinishedAfterACrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	mess(w, wt.Path)
	ref := w.keep(wt.Path, "t1")
	want := w.state(wt.Path)
	if err := w.r.RemoveWorktree(t.Context(), wt.Path, true); err != nil {
		t.Fatal(err)
	}
	w.git(w.repo, "worktree", "add", "-q", "--lock", "--no-checkout", wt.Path, wt.Branch) // the state after its first step
	if err := w.r.Restore(t.Context(), RestoreSpec{Path: wt.Path, Branch: wt.Branch, Ref: ref}); err != nil {
		t.Fatal(err)
	}
	if got := strings.ReplaceAll(w.state(wt.Path), "x", "x"); !strings.Contains(want, got[strings.LastIndex(got, "# branch"):]) {
		t.Errorf("restored:\n%q\nwant\n%q", got, want)
	}
	if w.tree(wt.Path) != w.head(ref+"^{tree}") {
		t.Error("not the kept tree")
	}
}

func TestKeepNumbersAndRecognises(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	wt := w.prepare("t1")
	one := w.keep(wt.Path, "t1")
	if again := w.keep(wt.Path, "t1"); again != one {
		t.Errorf("the same state was kept twice: %s, %s", one, again)
	}
	w.write(wt.Path, "x", "1")
	two := w.keep(wt.Path, "t1")
	w.git(wt.Path, "add", "x") // the same tree, but staged
	three := w.keep(wt.Path, "t1")
	for n := 4; n <= 11; n++ {
		w.write(wt.Path, "x", strings.Repeat("x", n))
		w.keep(wt.Path, "t1")
	}
	refs, err := w.r.KeepRefs(ctx, "t1")
	if err != nil || len(refs) != 11 || refs[0].Ref != one || refs[1].Ref != two || refs[2].Ref != three ||
		refs[10].Ref != "refs/muster/keep/t1/11" || refs[10].Commit != w.head(refs[10].Ref) || refs[10].Time.IsZero() {
		t.Errorf("KeepRefs = %+v, %v", refs, err)
	}
	w.keep(wt.Path, "t11")
	if err := w.r.DropRefs(ctx, "refs/muster/keep/t1/"); err != nil {
		t.Fatal(err)
	}
	if refs, err := w.r.KeepRefs(ctx, "t1"); err != nil || len(refs) != 0 {
		t.Errorf("after DropRefs: %+v, %v", refs, err)
	}
	if refs, err := w.r.KeepRefs(ctx, "t11"); err != nil || len(refs) != 1 {
		t.Errorf("DropRefs took those of another task: %+v, %v", refs, err)
	}
	for _, bad := range []string{"refs/heads/muster", "refs/muster/../heads", "", "refs/muster"} {
		faulttest.Want(t, w.r.DropRefs(ctx, bad), fault.Usage)
	}
	for _, bad := range []string{"", "../x", "a/b", "a b"} {
		_, err := w.r.Keep(ctx, wt.Path, bad, "")
		faulttest.Want(t, err, fault.Usage)
	}
}

func TestKeepInTheMiddleOfAnOperation(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(w *world, dir string){
		"merge":  func(w *world, dir string) { _, _ = w.tryGit(dir, "merge", "main") },
		"rebase": func(w *world, dir string) { _, _ = w.tryGit(dir, "rebase", "main") },
		"pick":   func(w *world, dir string) { _, _ = w.tryGit(dir, "cherry-pick", "main") },
		"orphan": func(w *world, dir string) { w.git(dir, "checkout", "-q", "--orphan", "new") },
		"broken index": func(w *world, dir string) {
			w.write(filepath.Join(w.repo, ".git/worktrees/t1-x"), "index", "garbage")
		},
		"no index": func(w *world, dir string) {
			if err := os.Remove(filepath.Join(w.repo, ".git/worktrees/t1-x/index")); err != nil {
				w.t.Fatal(err)
			}
		},
		"locked index": func(w *world, dir string) { w.write(filepath.Join(w.repo, ".git/worktrees/t1-x"), "index.lock", "") },
		"no .git": func(w *world, dir string) {
			if err := os.Remove(filepath.Join(dir, ".git")); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			wt := w.prepare("t1")
			w.write(wt.Path, "a.txt", "agent's\n")
			w.git(wt.Path, "commit", "-qam", "agent's")
			tip := strings.TrimSpace(w.git(wt.Path, "rev-parse", "HEAD"))
			w.write(w.repo, "a.txt", "main's\n")
			w.git(w.repo, "commit", "-qam", "main's")
			begin(w, wt.Path)
			w.write(wt.Path, "untracked", "u\n")
			ref := w.keep(wt.Path, "t1")
			if got := w.git(w.repo, "show", ref+":untracked"); got != "u\n" {
				t.Errorf("untracked = %q", got)
			}
			if got, want := w.git(w.repo, "show", ref+":a.txt"), w.read(wt.Path, "a.txt"); got != want {
				t.Errorf("a.txt = %q, want %q", got, want)
			}
			if name != "orphan" {
				w.git(w.repo, "merge-base", "--is-ancestor", tip, ref) // the agent's commit is held by the ref
			}
			if again := w.keep(wt.Path, "t1"); again != ref {
				t.Errorf("kept twice: %s", again)
			}
		})
	}
}

func TestNestedRepositoriesAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	wt := w.prepare("t1")
	at := func(dir string) string { return filepath.Join(wt.Path, dir) }
	w.write(at("fresh"), "f", "no commit yet\n")
	w.git(at("fresh"), "init", "-q")
	w.write(at("old"), "o", "committed\n")
	w.git(at("old"), "init", "-q")
	w.git(at("old"), "add", "-A")
	w.git(at("old"), "commit", "-qm", "inner")
	inner := strings.TrimSpace(w.git(at("old"), "rev-parse", "HEAD"))
	w.git(at("old"), "checkout", "-q", "-b", "second")
	w.git(at("old"), "commit", "-q", "--allow-empty", "-m", "inner 2")
	inner2 := strings.TrimSpace(w.git(at("old"), "rev-parse", "HEAD"))
	w.git(at("old"), "checkout", "-q", "-")
	w.write(at("old"), "o", "changed\n")
	w.write(at("old/deeper"), "d", "two down\n")
	w.git(at("old/deeper"), "init", "-q")
	w.git(at("old/deeper"), "add", "-A")
	w.git(at("old/deeper"), "commit", "-qm", "innermost")
	if err := os.Remove(at("gone.txt")); err != nil { // a repository where a tracked file was
		t.Fatal(err)
	}
	w.write(at("gone.txt"), "in", "g\n")
	w.git(at("gone.txt"), "init", "-q")
	if err := os.MkdirAll(at("empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.git(at("empty"), "init", "-q")

	faulttest.Want(t, w.r.RemoveWorktree(ctx, wt.Path, false), fault.Conflict)
	before := w.state(wt.Path)
	ref := w.keep(wt.Path, "t1")
	if after := w.state(wt.Path); after != before {
		t.Errorf("Keep changed the worktree:\n%q\n%q", before, after)
	}
	for path, want := range map[string]string{
		"fresh/f": "no commit yet\n", "old/o": "changed\n", "old/deeper/d": "two down\n", "gone.txt/in": "g\n",
	} {
		if got := w.git(w.repo, "show", ref+":"+path); got != want {
			t.Errorf("%s = %q, want %q", path, got, want)
		}
	}
	if err := w.r.RemoveWorktree(ctx, wt.Path, true); err != nil {
		t.Fatal(err)
	}
	w.git(w.repo, "gc", "-q", "--prune=now")
	w.git(w.repo, "merge-base", "--is-ancestor", inner, ref)
	w.git(w.repo, "merge-base", "--is-ancestor", inner2, ref)
	if err := w.r.Restore(ctx, RestoreSpec{Path: wt.Path, Branch: wt.Branch, Ref: ref}); err != nil {
		t.Fatal(err)
	}
	if got := w.read(wt.Path, "old/o"); got != "changed\n" {
		t.Errorf("old/o = %q", got)
	}
}

func TestSubmodulesAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	lib := filepath.Join(w.dir, "lib")
	w.write(lib, "l", "lib\n")
	w.git(lib, "init", "-q")
	w.git(lib, "add", "-A")
	w.git(lib, "commit", "-qm", "lib")
	w.git(w.repo, "-c", "protocol.file.allow=always", "submodule", "add", "-q", lib, "sub")
	w.git(w.repo, "commit", "-qm", "with submodule")
	wt := w.prepare("t1")
	w.git(wt.Path, "-c", "protocol.file.allow=always", "submodule", "update", "-q", "--init")
	sub := filepath.Join(wt.Path, "sub")
	w.git(sub, "commit", "-q", "--allow-empty", "-m", "in the submodule")
	tip := strings.TrimSpace(w.git(sub, "rev-parse", "HEAD"))
	w.write(sub, "l", "changed\n")
	if u, err := w.r.Unsaved(ctx, wt.Path, wt.Branch, wt.Base, false); err != nil || !u.Dirty {
		t.Errorf("Unsaved = %+v, %v", u, err)
	}
	ref := w.keep(wt.Path, "t1")
	if err := w.r.RemoveWorktree(ctx, wt.Path, true); err != nil {
		t.Fatal(err)
	}
	w.git(w.repo, "gc", "-q", "--prune=now")
	w.git(w.repo, "merge-base", "--is-ancestor", tip, ref)
	if err := w.r.Restore(ctx, RestoreSpec{Path: wt.Path, Branch: wt.Branch, Ref: ref}); err != nil {
		t.Fatal(err)
	}
	if got := w.read(wt.Path, "sub/l"); got != "changed\n" {
		t.Errorf("sub/l = %q", got)
	}
}

func TestALargeUntrackedFileIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	f, err := os.Create(filepath.Join(wt.Path, "large"))
	if err != nil {
		t.Fatal(err)
	}
	const size = 40 << 20 // larger than the limit on a program's kept output
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		t.Fatal(err)
	}
	ref := w.keep(wt.Path, "t1")
	if got := strings.TrimSpace(w.git(w.repo, "cat-file", "-s", ref+":large")); got != "41943040" {
		t.Errorf("size = %s", got)
	}
}

// TestAnotherRepositoryAroundIsNotTouched checks that a worktree without .git inside another repository is not treated
// as a part of that one.
func TestAnotherRepositoryAroundIsNotTouched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.git(w.dir, "init", "-q", filepath.Join(w.dir, "state"))
	dir := filepath.Join(w.under, "lost")
	w.write(dir, "x", "x")
	for _, err := range []error{
		func() error { _, err := w.r.Keep(t.Context(), dir, "t1", ""); return err }(),
		func() error { _, err := w.r.Tree(t.Context(), dir); return err }(),
		w.r.RemoveWorktree(t.Context(), dir, true),
	} {
		faulttest.Want(t, err, fault.Conflict, "lost")
	}
	_, err := w.r.Tree(t.Context(), filepath.Join(w.under, "none"))
	faulttest.Want(t, err, fault.NotFound, "none")
}

func TestOnlyAForgottenDirectoryOfThisTaskIsAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	if err := w.r.Adopt(t.Context(), w.spec("t1")); err != nil || w.git(wt.Path, "branch", "--show-current") != wt.Branch+"\n" {
		t.Errorf("a worktree did not stay as it is: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(w.repo, ".git/worktrees/t1-x")); err != nil {
		t.Fatal(err)
	}
	if err := w.r.Adopt(t.Context(), w.spec("t1")); err != nil || w.git(wt.Path, "branch", "--show-current") != wt.Branch+"\n" {
		t.Errorf("its branch is not checked out in it: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(w.repo, ".git/worktrees")); err != nil {
		t.Fatal(err)
	}
	w.git(w.repo, "checkout", "-q", wt.Branch) // a person looks at the branch
	other := w.spec("t1")
	other.Owner = "somebody else"
	if err := w.r.Adopt(t.Context(), other); fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), wt.Path) {
		t.Errorf("the directory of another task: %v", err)
	}
	w.write(wt.Path, "new", "n\n")
	if err := w.r.Adopt(t.Context(), w.spec("t1")); err != nil {
		t.Fatal(err)
	}
	if got := w.git(wt.Path, "status", "--porcelain"); got != "?? new\n" {
		t.Errorf("status = %q", got)
	}
	gone := w.spec("t2")
	if err := w.r.Adopt(t.Context(), gone); err != nil {
		t.Errorf("nothing is there: %v", err)
	}
}
