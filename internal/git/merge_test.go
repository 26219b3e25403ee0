package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"muster/internal/fault"
)

// branch makes a branch from a revision with one commit that writes files, without a checkout of it, and returns the commit.
func (w *world) branchWith(name, from string, files map[string]string) string {
	w.t.Helper()
	at := filepath.Join(w.dir, "by-hand-"+name)
	w.git(w.repo, "worktree", "add", "-q", "-b", name, at, from)
	for path, content := range files {
		w.write(at, path, content)
	}
	w.git(at, "add", "-A")
	w.git(at, "commit", "-qm", name)
	commit := w.head(name)
	w.git(w.repo, "worktree", "remove", "--force", at)
	return commit
}

func (w *world) merge(work ...MergeWork) Merge {
	w.t.Helper()
	m, err := w.r.MergeOnto(w.t.Context(), MergeSpec{Branch: "main", Work: work, Message: func(names []string) string { return "Merge " + strings.Join(names, ", ") }})
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) advance(m Merge) error {
	return w.r.Advance(w.t.Context(), AdvanceSpec{Branch: "main", Old: m.Base, New: m.Commit, Tree: m.Tree})
}

func TestMergeOnto_MakesOneCommitOfAllThatFits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.head("main")
	one := w.branchWith("one", "main", map[string]string{"one": "1\n", "a.txt": "of one\n"})
	two := w.branchWith("two", "main", map[string]string{"two": "2\n"})
	clash := w.branchWith("clash", "main", map[string]string{"a.txt": "of clash\n"})
	stale := w.branchWith("stale", "main", map[string]string{"dir/b.txt": "of stale\n"})
	w.write(w.repo, "dir/b.txt", "of a person\n")
	w.git(w.repo, "commit", "-qam", "a person's")
	base := w.head("main")
	m := w.merge(MergeWork{"t1", one}, MergeWork{"t2", two}, MergeWork{"t3", clash}, MergeWork{"t4", stale}, MergeWork{"t5", first})
	if !slices.Equal(m.Merged, []string{"t1", "t2"}) || !slices.Equal(m.Left, []string{"t3"}) || !slices.Equal(m.There, []string{"t5"}) {
		t.Errorf("merged %v, left %v, there %v", m.Merged, m.Left, m.There)
	}
	if len(m.Conflicts) != 1 || m.Conflicts[0].Name != "t4" || !slices.Equal(m.Conflicts[0].Files, []string{"dir/b.txt"}) {
		t.Errorf("conflicts %v", m.Conflicts)
	}
	if got := w.git(w.repo, "log", "-1", "--format=%P|%T|%s", m.Commit); got != fmt.Sprintf("%s %s %s|%s|Merge t1, t2\n", base, one, two, m.Tree) {
		t.Errorf("commit = %q", got)
	}
	if got := w.git(w.repo, "show", m.Commit+":a.txt"); got != "of one\n" || w.head("main") != base {
		t.Errorf("a.txt is %q, main at %s", got, w.head("main"))
	}
	if got := w.git(w.repo, "status", "--porcelain"); got != "" {
		t.Errorf("status = %q", got)
	}
}

func TestAdvance_MovesACleanCheckoutWithItsBranch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(w.repo, "mine.txt", "untracked\n")
	w.write(w.repo, "x.log", "ignored\n")
	m := w.merge(MergeWork{"t1", w.branchWith("one", "main", map[string]string{"one": "1\n", "dir/b.txt": "changed\n"})})
	for range 2 { // a second call does nothing
		if err := w.advance(m); err != nil {
			t.Fatal(err)
		}
		if w.head("main") != m.Commit || w.git(w.repo, "status", "--porcelain") != "?? mine.txt\n" || w.read(w.repo, "dir/b.txt") != "changed\n" {
			t.Fatalf("main at %s, status %q", w.head("main"), w.git(w.repo, "status", "--porcelain"))
		}
	}
}

func TestAdvance_MovesABranchThatIsCheckedOutNowhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merge(MergeWork{"t1", w.branchWith("one", "main", map[string]string{"one": "1\n"})})
	w.git(w.repo, "checkout", "-q", "-b", "elsewhere")
	w.write(w.repo, "a.txt", "not committed\n")
	if err := w.advance(m); err != nil || w.head("main") != m.Commit {
		t.Fatalf("main at %s: %v", w.head("main"), err)
	}
	if got := w.read(w.repo, "a.txt"); got != "not committed\n" {
		t.Errorf("a.txt = %q", got)
	}
}

func TestAdvance_LeavesTheWorktreeOfAnAgentAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merge(MergeWork{"t1", w.branchWith("one", "main", map[string]string{"one": "1\n"})})
	w.git(w.repo, "checkout", "-q", "-b", "elsewhere")
	wt := w.prepare("t1")
	w.git(wt.Path, "checkout", "-q", "main")
	if err := w.advance(m); !errors.Is(err, ErrInUse) || w.head("main") != m.Base || exists(filepath.Join(wt.Path, "one")) {
		t.Fatalf("main at %s: %v", w.head("main"), err)
	}
}

func TestAdvance_IsACompareAndSwap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merge(MergeWork{"t1", w.branchWith("one", "main", map[string]string{"one": "1\n"})})
	w.git(w.repo, "commit", "-q", "--allow-empty", "-m", "a person's")
	at := w.head("main")
	if err := w.advance(m); !errors.Is(err, ErrMoved) || w.head("main") != at {
		t.Fatalf("main at %s: %v", w.head("main"), err)
	}
}

func TestAdvance_RefusesWhatWasNotJudged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.branchWith("one", "main", map[string]string{"one": "1\n"}), w.branchWith("two", "main", map[string]string{"two": "2\n"})
	m, at := w.merge(MergeWork{"t1", one}), w.head("main")
	for name, spec := range map[string]AdvanceSpec{
		"another tree":         {Branch: "main", Old: m.Base, New: m.Commit, Tree: w.merge(MergeWork{"t2", two}).Tree},
		"another first parent": {Branch: "main", Old: m.Base, New: two, Tree: w.head(two + "^{tree}")},
	} {
		if name == "another first parent" {
			spec.New = strings.TrimSpace(w.git(w.repo, "commit-tree", w.head(two+"^{tree}"), "-p", two, "-m", "x"))
		}
		if err := w.r.Advance(t.Context(), spec); err == nil || errors.Is(err, ErrMoved) || w.head("main") != at {
			t.Errorf("%s: main at %s: %v", name, w.head("main"), err)
		}
	}
}

// TestAdvance_LeavesACheckoutInUseAlone has a person at work in the checkout of the base, in every way.
func TestAdvance_LeavesACheckoutInUseAlone(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(w *world){
		"a change":              func(w *world) { w.write(w.repo, "a.txt", "changed\n") },
		"a change of that file": func(w *world) { w.write(w.repo, "dir/b.txt", "mine\n") },
		"a staged change":       func(w *world) { w.write(w.repo, "n", "n\n"); w.git(w.repo, "add", "n") },
		"a removed file":        func(w *world) { w.git(w.repo, "rm", "-q", "gone.txt") },
		"an untracked file in the way": func(w *world) {
			w.write(w.repo, "one", "mine\n")
		},
		"an unfinished merge": func(w *world) {
			w.branchWith("other", "main", map[string]string{"other": "o\n"})
			w.git(w.repo, "merge", "-q", "--no-ff", "--no-commit", "other")
		},
		"a git at work": func(w *world) { w.write(w.repo, ".git/index.lock", "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			m := w.merge(MergeWork{"t1", w.branchWith("one", "main", map[string]string{"one": "1\n", "dir/b.txt": "changed\n"})})
			use(w)
			before := w.state(w.repo)
			if err := w.advance(m); !errors.Is(err, ErrInUse) || w.head("main") != m.Base {
				t.Fatalf("main at %s: %v", w.head("main"), err)
			}
			if after := w.state(w.repo); after != before {
				t.Errorf("it was\n%s\nand is\n%s", before, after)
			}
		})
	}
}

// TestAdvance_IsCompletedAfterAKill stops an advance after each of its steps.
func TestAdvance_IsCompletedAfterAKill(t *testing.T) {
	t.Parallel()
	for name, half := range map[string]func(w *world, m Merge){
		"between two files": func(w *world, _ Merge) { w.write(w.repo, "dir/b.txt", "changed\n") },
		"after a new file":  func(w *world, _ Merge) { w.write(w.repo, "one", "1\n") },
		"before the index": func(w *world, _ Merge) {
			w.write(w.repo, "dir/b.txt", "changed\n")
			w.write(w.repo, "one", "1\n")
			if err := os.Remove(filepath.Join(w.repo, "gone.txt")); err != nil {
				w.t.Fatal(err)
			}
		},
		"before the branch": func(w *world, m Merge) { w.readTree(m) },
		"with its lock": func(w *world, m Merge) {
			w.readTree(m)
			w.write(w.repo, ".git/index.lock", ourLock)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			at := filepath.Join(w.dir, "by-hand")
			w.git(w.repo, "worktree", "add", "-q", "-b", "one", at, "main")
			w.write(at, "one", "1\n")
			w.write(at, "dir/b.txt", "changed\n")
			w.git(at, "rm", "-q", "gone.txt")
			w.git(at, "add", "-A")
			w.git(at, "commit", "-qm", "one")
			m := w.merge(MergeWork{"t1", w.head("one")})
			half(w, m)
			if err := w.advance(m); err != nil {
				t.Fatal(err)
			}
			if got := w.git(w.repo, "status", "--porcelain"); got != "" || w.head("main") != m.Commit {
				t.Errorf("main at %s, status %q", w.head("main"), got)
			}
		})
	}
}

// readTree moves the files and the index of the checkout, and not its branch.
func (w *world) readTree(m Merge) {
	w.t.Helper()
	w.git(w.repo, "update-index", "-q", "--refresh")
	w.git(w.repo, "read-tree", "-m", "-u", m.Base, m.Commit)
}

// TestAdvance_BesideAPersonWhoCommits has a person commit to the base in its checkout while work lands. Every commit of both
// stays, and the checkout is clean in the end.
func TestAdvance_BesideAPersonWhoCommits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 3
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var work []MergeWork
	for i := range n {
		name := fmt.Sprintf("w%d", i)
		work = append(work, MergeWork{Name: name, Commit: w.branchWith(name, "main", map[string]string{name: name + "\n"})})
	}
	persons := make(chan int)
	go func() { // in ways of a person: a lock in the way is tried again
		made := 0
		for i := 0; ctx.Err() == nil && i < 1000; i++ {
			name := fmt.Sprintf("person%d", i)
			if os.WriteFile(filepath.Join(w.repo, name), []byte("p\n"), 0o644) != nil {
				break
			}
			_, add := w.tryGit(w.repo, "add", name)
			_, commit := w.tryGit(w.repo, "commit", "-qm", name)
			for try := 0; (add != nil || commit != nil) && try < 50; try++ {
				_, add = w.tryGit(w.repo, "add", name)
				_, commit = w.tryGit(w.repo, "commit", "-qm", name)
			}
			if add == nil && commit == nil {
				made++
			}
		}
		persons <- made
	}()
	moved, used := 0, 0
	for _, x := range work {
		for {
			m := w.merge(x)
			err := w.advance(m)
			if err == nil {
				break
			}
			switch {
			case errors.Is(err, ErrMoved):
				moved++
			case errors.Is(err, ErrInUse):
				used++
			default:
				t.Fatal(err)
			}
			if moved+used > 20 {
				cancel() // it commits without a pause; this is no race for the last word
			}
		}
	}
	cancel()
	made := <-persons
	t.Logf("%d commits of a person; %d times the base had moved, %d times the checkout was in use", made, moved, used)
	for _, x := range work {
		w.git(w.repo, "merge-base", "--is-ancestor", x.Commit, "main")
	}
	if got := strings.Count(w.git(w.repo, "log", "--format=%s", "main"), "person"); got < made {
		t.Errorf("%d commits of a person are left of %d", got, made)
	}
	for line := range strings.Lines(w.git(w.repo, "status", "--porcelain")) {
		if !strings.HasPrefix(line[3:], "person") {
			t.Errorf("status has %q", line)
		}
	}
}

func TestScratch_HasExactlyTheCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.merge(MergeWork{"t1", w.branchWith("one", "main", map[string]string{"one": "1\n"})})
	path := filepath.Join(w.under, "merge-1")
	for _, leave := range []func(){
		func() {},
		func() { w.write(path, "left", "by a check\n") },
		func() { w.write(path, "one", "changed\n") },
		func() {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
		},
		func() { w.git(w.repo, "worktree", "remove", "--force", path); w.write(path, "f", "f\n") },
	} {
		if err := w.r.Scratch(t.Context(), path, m.Commit); err != nil {
			t.Fatal(err)
		}
		if tree := w.tree(path); tree != m.Tree || w.read(path, "one") != "1\n" {
			t.Fatalf("tree %s, want %s", tree, m.Tree)
		}
		leave()
	}
	for range 2 {
		if err := w.r.DropScratch(t.Context(), path); err != nil || exists(path) {
			t.Fatal(err)
		}
	}
	if err := w.r.Scratch(t.Context(), w.repo, m.Commit); !fault.Is(err, fault.Usage) && !fault.Is(err, fault.Conflict) {
		t.Errorf("the checkout of a person: %v", err)
	}
}

func (w *world) linear(work ...MergeWork) Merge {
	w.t.Helper()
	m, err := w.r.MergeOnto(w.t.Context(), MergeSpec{Branch: "main", Work: work, Linear: true, Message: func(names []string) string { return "Work of " + strings.Join(names, ", ") }})
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) advanceLinear(m Merge) error {
	return w.r.Advance(w.t.Context(), AdvanceSpec{Branch: "main", Old: m.Base, New: m.Commit, Tree: m.Tree, Linear: true})
}

// TestMergeOnto_Linear_HasOneCommitForEachWork merges work that has merge commits of its own, conflicts, is empty, or is in the
// base under other commits. The tree is that of a merge.
func TestMergeOnto_Linear_HasOneCommitForEachWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.branchWith("one", "main", map[string]string{"one": "1\n", "a.txt": "of one\n"})
	w.branchWith("two", "main", map[string]string{"two": "2\n"})
	picked := w.branchWith("picked", "main", map[string]string{"picked": "p\n"})
	clash := w.branchWith("clash", "main", map[string]string{"a.txt": "of clash\n"})
	stale := w.branchWith("stale", "main", map[string]string{"dir/b.txt": "of stale\n"})
	again := w.branchWith("again", "main", map[string]string{"two": "2\n"})
	w.write(w.repo, "dir/b.txt", "of a person\n")
	w.git(w.repo, "commit", "-qam", "a person's")
	w.git(w.repo, "cherry-pick", picked)
	at := filepath.Join(w.dir, "merging")
	w.git(w.repo, "worktree", "add", "-q", at, "two")
	w.git(at, "merge", "-q", "--no-edit", "main")
	two := w.head("two")
	base := w.head("main")
	work := []MergeWork{{"t1", one}, {"t2", two}, {"t3", clash}, {"t4", stale}, {"t5", picked}, {"t6", again}}
	m := w.linear(work...)
	if !slices.Equal(m.Merged, []string{"t1", "t2"}) || !slices.Equal(m.Left, []string{"t3", "t6"}) || !slices.Equal(m.There, []string{"t5"}) {
		t.Errorf("merged %v, left %v, there %v", m.Merged, m.Left, m.There)
	}
	if len(m.Conflicts) != 1 || m.Conflicts[0].Name != "t4" {
		t.Errorf("conflicts %v", m.Conflicts)
	}
	if got, want := w.git(w.repo, "log", "--format=%s|%p", base+".."+m.Commit), w.git(w.repo, "log", "--format=%s|%p", "-2", m.Commit); got != want ||
		!strings.HasPrefix(got, "Work of t2|") || strings.Count(got, "\n") != 2 || len(strings.Fields(strings.SplitN(got, "|", 2)[1])) == 0 {
		t.Errorf("commits = %q, want %q", got, want)
	}
	if got := w.git(w.repo, "rev-list", "--merges", base+".."+m.Commit); got != "" {
		t.Errorf("merge commits: %s", got)
	}
	if got := w.git(w.repo, "diff", "--name-only", m.Commit+"^^", m.Commit+"^"); got != "a.txt\none\n" {
		t.Errorf("the first commit has %q", got)
	}
	if got := w.merge(work[:2]...); got.Tree != m.Tree || w.head(m.Commit+"^{tree}") != m.Tree {
		t.Errorf("tree = %s, that of a merge is %s", m.Tree, got.Tree)
	}
	if err := w.advanceLinear(m); err != nil || w.head("main") != m.Commit || w.git(w.repo, "status", "--porcelain") != "" {
		t.Fatalf("main at %s: %v", w.head("main"), err)
	}
	if m := w.linear(work...); !slices.Equal(m.There, []string{"t1", "t2", "t5", "t6"}) || len(m.Conflicts) != 2 || m.Commit != m.Base {
		t.Errorf("there %v, conflicts %v", m.There, m.Conflicts)
	}
}

func TestAdvance_Linear_RefusesWhatIsNotLinear(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.branchWith("one", "main", map[string]string{"one": "1\n"}), w.branchWith("two", "main", map[string]string{"two": "2\n"})
	m := w.linear(MergeWork{"t1", one}, MergeWork{"t2", two})
	at := w.head("main")
	wrong := map[string]AdvanceSpec{
		"a merge commit":    {New: w.merge(MergeWork{"t1", one}, MergeWork{"t2", two}).Commit, Linear: true},
		"another base":      {New: w.head(strings.TrimSpace(w.git(w.repo, "commit-tree", m.Tree, "-m", "x"))), Linear: true},
		"a commit too many": {New: m.Commit},
	}
	for name, spec := range wrong {
		spec.Branch, spec.Old, spec.Tree = "main", m.Base, m.Tree
		if err := w.r.Advance(t.Context(), spec); err == nil || errors.Is(err, ErrMoved) || w.head("main") != at {
			t.Errorf("%s: main at %s: %v", name, w.head("main"), err)
		}
	}
	w.git(w.repo, "commit", "-q", "--allow-empty", "-m", "a person's")
	if err := w.advanceLinear(m); !errors.Is(err, ErrMoved) {
		t.Errorf("a base that moved: %v", err)
	}
}

// TestAdvance_FindsALandingThatWentOn has a supervisor killed after the base moved, and a person who commits on top before the next
// one. A linear history shows no branch of a task as an ancestor.
func TestAdvance_FindsALandingThatWentOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := w.linear(MergeWork{"t1", w.branchWith("one", "main", map[string]string{"one": "1\n"})})
	if err := w.advanceLinear(m); err != nil {
		t.Fatal(err)
	}
	w.write(w.repo, "one", "changed by a person\n")
	w.git(w.repo, "commit", "-qam", "a person's")
	at := w.head("main")
	if err := w.advanceLinear(m); err != nil || w.head("main") != at {
		t.Errorf("main at %s: %v", w.head("main"), err)
	}
}
