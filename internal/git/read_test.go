package git

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/fault"
	"muster/internal/fault/faulttest"
)

func TestUnsaved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	wt := w.prepare("t1")
	check := func(what string, published bool, want Unsaved) {
		t.Helper()
		got, err := w.r.Unsaved(ctx, wt.Path, wt.Branch, wt.Base, published)
		if got != want || err != nil {
			t.Errorf("%s: Unsaved = %+v, %v; want %+v", what, got, err, want)
		}
	}
	check("fresh", false, Unsaved{})
	w.write(wt.Path, "x.log", "ignored")
	w.write(wt.Path, "u/1", "")
	w.write(wt.Path, "u/2", "")
	check("untracked", false, Unsaved{Untracked: 2})
	w.git(wt.Path, "add", "u/1")
	check("staged", false, Unsaved{Untracked: 1, Dirty: true})
	w.git(wt.Path, "add", "-A")
	w.git(wt.Path, "commit", "-qm", "1")
	w.git(wt.Path, "commit", "-q", "--allow-empty", "-m", "2")
	check("committed", false, Unsaved{Unpushed: 2})
	check("published", true, Unsaved{})
	w.git(w.repo, "branch", "other", wt.Branch+"^")
	check("half in another branch", false, Unsaved{Unpushed: 1})
	w.git(w.repo, "update-ref", "refs/remotes/origin/x", wt.Branch)
	check("pushed", false, Unsaved{})
	w.git(wt.Path, "checkout", "-q", "--detach")
	w.git(wt.Path, "commit", "-q", "--allow-empty", "-m", "3")
	check("detached", true, Unsaved{Unpushed: 1})
	w.git(w.repo, "worktree", "remove", "--force", wt.Path)
	check("worktree gone", false, Unsaved{})
	w.git(w.repo, "branch", "-D", wt.Branch)
	check("branch gone", false, Unsaved{})
}

func TestDiffShowsWhatIsNotCommitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	mess(w, wt.Path)
	show := func(target string, o DiffOptions) string {
		t.Helper()
		var b strings.Builder
		if err := w.r.Diff(t.Context(), &b, wt.Base, target, o); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	full := show(wt.Path, DiffOptions{})
	for _, want := range []string{"+staged, then changed", "+s\n", "deleted file", "new mode 100755", "deep/er/new", "räcked"} {
		if !strings.Contains(full, want) {
			t.Errorf("diff lacks %q:\n%s", want, full)
		}
	}
	if strings.Contains(full, "\x1b") || !strings.Contains(show(wt.Path, DiffOptions{Color: true}), "\x1b") {
		t.Error("colour where none was asked for, or none where it was")
	}
	if stat := show(wt.Path, DiffOptions{Stat: true}); !strings.Contains(stat, "files changed") || strings.Contains(stat, "@@") {
		t.Errorf("stat = %s", stat)
	}
	if got := show(wt.Branch, DiffOptions{}); got != "" {
		t.Errorf("branch without commits: %s", got)
	}
	broken := errors.New("pager closed")
	if err := w.r.Diff(t.Context(), failing{broken}, wt.Base, wt.Path, DiffOptions{}); !errors.Is(err, broken) {
		t.Errorf("err = %v", err)
	}
	faulttest.Want(t, w.r.Diff(t.Context(), &strings.Builder{}, "--output=x", wt.Path, DiffOptions{}), fault.Usage)
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestChangedLines_CountsEachFile checks text, other files, odd names and renamed files, and that a flag is no revision.
func TestChangedLines_CountsEachFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	w.write(wt.Path, "new.txt", "1\n2\n3\n")
	w.write(wt.Path, "a\tb\nc", "x\n")
	w.write(wt.Path, "picture", "\x00\x01\x00")
	w.git(wt.Path, "add", "-A")
	w.git(wt.Path, "commit", "-qm", "1")
	w.git(wt.Path, "mv", "new.txt", "moved.txt")
	w.write(wt.Path, "moved.txt", "1\n2\n")
	w.git(wt.Path, "add", "-A")
	w.git(wt.Path, "commit", "-qm", "2")
	got, err := w.r.ChangedLines(t.Context(), wt.Branch+"^", wt.Branch)
	want := []FileChange{{Path: "moved.txt", Added: 2}, {Path: "new.txt", Removed: 3}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("ChangedLines = %+v, %v; want %+v", got, err, want)
	}
	got, err = w.r.ChangedLines(t.Context(), wt.Base, wt.Branch)
	want = []FileChange{{Path: "a\tb\nc", Added: 1}, {Path: "moved.txt", Added: 2}, {Path: "picture"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("ChangedLines = %+v, %v; want %+v", got, err, want)
	}
	if _, err := w.r.ChangedLines(t.Context(), "--output=x", wt.Branch); err == nil {
		t.Error("a flag was taken for a revision")
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	if log, err := w.r.Log(t.Context(), wt.Base, wt.Branch); err != nil || len(log) != 0 {
		t.Errorf("empty Log = %+v, %v", log, err)
	}
	w.git(wt.Path, "commit", "-q", "--allow-empty", "-m", "ünï \"q\"\n\nbody")
	w.git(wt.Path, "commit", "-q", "--allow-empty", "--allow-empty-message", "-m", "")
	log, err := w.r.Log(t.Context(), wt.Base, wt.Branch)
	if err != nil || len(log) != 2 {
		t.Fatalf("Log = %+v, %v", log, err)
	}
	if log[0].Subject != "" || log[1].Subject != "ünï \"q\"" || log[1].Author != "An Agent" ||
		log[0].Hash != w.head(wt.Branch) || time.Since(log[0].Time) > time.Hour {
		t.Errorf("Log = %+v", log)
	}
	_, err = w.r.Log(t.Context(), "--all", wt.Branch)
	faulttest.Want(t, err, fault.Usage)
}

func TestEverythingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	slow := filepath.Join(w.dir, "slow")
	w.write(w.dir, "slow", "#!/bin/sh\ntouch "+slow+".began\nexec sleep 600\n")
	w.git(w.repo, "config", "filter.slow.clean", "sh "+slow)
	wt := w.prepare("t1")
	w.write(wt.Path, ".gitattributes", "*.slow filter=slow\n")
	w.write(wt.Path, "x.slow", "x")
	r := *w.r
	ctx, cancel := contextWithin(t, slow+".began")
	defer cancel()
	_, err := r.Keep(ctx, wt.Path, "t1", "")
	faulttest.Want(t, err, fault.Interrupted)
	if refs, err := r.KeepRefs(t.Context(), "t1"); err != nil || len(refs) != 0 {
		t.Errorf("kept: %+v, %v", refs, err)
	}
}
