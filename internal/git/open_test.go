package git

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/fault"
	"muster/internal/fault/faulttest"
)

func TestOpenFindsTheMainRepository(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	common := filepath.Join(w.repo, ".git")
	wt := w.prepare("t1")
	for _, c := range []struct{ dir, root string }{
		{w.repo, w.repo},
		{filepath.Join(w.repo, "dir"), w.repo},
		{wt.Path, wt.Path},
		{filepath.Join(wt.Path, "dir"), wt.Path},
	} {
		r := w.open(c.dir)
		if r.Root != c.root || r.Common != common {
			t.Errorf("Open(%s) = root %s, common %s; want %s, %s", c.dir, r.Root, r.Common, c.root, common)
		}
	}
}

func TestOpenTakesHostilePaths(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"with space", "new\nline", "quote'\"$x`", "ünï", "-dash", "false", "x\nfalse"} {
		w := bareWorld(t)
		dir := filepath.Join(w.dir, name)
		if err := os.Rename(w.repo, dir); err != nil {
			t.Fatal(err)
		}
		w.repo = dir
		w.write(dir, "a", "1")
		w.git(dir, "add", "-A")
		w.git(dir, "commit", "-qm", "first")
		w.under = filepath.Join(w.dir, "wt "+name)
		w.r = w.open(dir)
		if w.r.Root != dir {
			t.Errorf("Root = %q, want %q", w.r.Root, dir)
		}
		wt := w.prepare("t1")
		w.write(wt.Path, "b", "2")
		ref := w.keep(wt.Path, "t1")
		if err := w.r.RemoveWorktree(t.Context(), wt.Path, true); err != nil {
			t.Fatalf("%q: RemoveWorktree: %v", name, err)
		}
		if err := w.r.Restore(t.Context(), RestoreSpec{Path: wt.Path, Branch: wt.Branch, Ref: ref}); err != nil {
			t.Fatalf("%q: Restore: %v", name, err)
		}
		if got := w.read(wt.Path, "b"); got != "2" {
			t.Errorf("%q: restored b = %q", name, got)
		}
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := bareWorld(t)
	outside := filepath.Join(w.dir, "outside")
	bare := filepath.Join(w.dir, "bare.git")
	w.write(outside, "x", "")
	w.git(w.dir, "init", "-q", "--bare", bare)
	for _, c := range []struct {
		dir  string
		code fault.Code
		text string
	}{
		{outside, fault.Usage, "git init"},
		{filepath.Join(w.dir, "nowhere"), fault.Usage, "nowhere"},
		{filepath.Join(w.repo, ".git"), fault.Usage, "not in a git checkout"},
		{bare, fault.Conflict, "bare"},
		{w.repo, fault.Conflict, "Make a first commit"},
	} {
		_, err := Open(t.Context(), c.dir, Env(w.env))
		faulttest.Want(t, err, c.code, c.text)
	}
	_, err := Open(t.Context(), w.repo, Env([]string{"PATH=" + outside}))
	faulttest.Want(t, err, fault.Conflict, "Install git")
}

func TestNothingLeaksIntoGit(t *testing.T) {
	t.Parallel()
	got := callEnv([]string{
		"PATH=/bin", "GIT_DIR=/x", "GIT_INDEX_FILE=/y", "GIT_WORK_TREE=/z", "GIT_CONFIG_COUNT=1", "SECRET=1", "LC_ALL=de_DE",
		"XDG_CONFIG_HOME=/c", "GIT_SSH_COMMAND=mine", "EDITOR=vi", "GIT_EDITOR=vi", "HOME=/h", "HOME=/h2",
	})
	all := "\n" + strings.Join(got, "\n") + "\n"
	for _, bad := range []string{"/x", "/y", "/z", "SECRET", "de_DE", "=vi", "COUNT=1\n", "HOME=/h\n"} {
		if strings.Contains(all, bad) {
			t.Errorf("environment holds %q: %s", bad, all)
		}
	}
	for _, good := range []string{"PATH=/bin", "XDG_CONFIG_HOME=/c", "GIT_SSH_COMMAND=mine", "GIT_EDITOR=true", "HOME=/h2", "LANG=C.UTF-8"} {
		if !strings.Contains(all, "\n"+good+"\n") {
			t.Errorf("environment lacks %q: %s", good, all)
		}
	}
}

func TestBranchNamesFollowGitsOwnRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{
		"muster/t1-x", "a", "ä/ö", "a.b", "a@b", "@a", "", "-x", "a b", "a..b", "a.lock", "a.lock/b", ".a", "a/.b", "a/", "/a", "a//b",
		"a~", "a^", "a:b", "a?", "a*", "a[", "a\\b", "a@{b", "a.", "a\nb", "a\x7fb", "HEAD", "a/-b", "a.b/c", "{a}",
	} {
		_, ours := branchRef(name)
		_, theirs := w.tryGit(w.repo, "check-ref-format", "--branch", name)
		if (ours == nil) != (theirs == nil) {
			t.Errorf("%q: ours %v, git's %v", name, ours, theirs)
		}
	}
}

func TestResolveNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.git(w.repo, "branch", "release")
	got, err := w.r.Resolve(t.Context(), "release")
	if err != nil || got != w.head("main") {
		t.Errorf("Resolve = %q, %v", got, err)
	}
	_, err = w.r.Resolve(t.Context(), "rel")
	faulttest.Want(t, err, fault.Conflict, `"rel"`, "release")
	_, err = w.r.Resolve(t.Context(), strings.Repeat("1", 40))
	faulttest.Want(t, err, fault.Conflict)
	for _, rev := range []string{"", "--all", "-x", "a\nb"} {
		_, err = w.r.Resolve(t.Context(), rev)
		faulttest.Want(t, err, fault.Usage)
	}
}

func TestCurrentBranch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if got, err := w.r.CurrentBranch(t.Context()); got != "main" || err != nil {
		t.Errorf("CurrentBranch = %q, %v", got, err)
	}
	w.git(w.repo, "checkout", "-q", "--detach")
	if got, err := w.r.CurrentBranch(t.Context()); got != "" || err != nil {
		t.Errorf("detached: CurrentBranch = %q, %v", got, err)
	}
}
