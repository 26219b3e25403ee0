package git

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// origin makes a repository of three commits beside the checkout, for cloning.
func (w *world) origin(name string) string {
	w.t.Helper()
	dir := filepath.Join(w.dir, name)
	w.write(dir, "lib", "0\n")
	w.git(dir, "init", "-q", "-b", "main")
	for _, content := range []string{"1\n", "2\n", "3\n"} {
		w.write(dir, "lib", content)
		w.git(dir, "add", "-A")
		w.git(dir, "commit", "-qm", "lib "+content)
	}
	return dir
}

// pipe runs git with a file as its input.
func (w *world) pipe(dir, input string, args ...string) {
	w.t.Helper()
	in, err := os.Open(input)
	if err != nil {
		w.t.Fatal(err)
	}
	defer in.Close() //nolint:errcheck // only read
	cmd := exec.CommandContext(w.t.Context(), "git", args...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, w.env, in
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// wantWhole fails the test if the person's own git commands find something missing in the repository.
func (w *world) wantWhole() {
	w.t.Helper()
	for _, args := range [][]string{
		{"gc", "-q"}, {"repack", "-q", "-a", "-d"}, {"rev-list", "--quiet", "--objects", "--all"}, {"fsck", "--full"},
	} {
		if out, err := w.tryGit(w.repo, args...); err != nil || strings.Contains(out, "missing") || strings.Contains(out, "broken") {
			w.t.Errorf("git %v: %v\n%s", args, err, out)
		}
	}
}

// TestKeepOfAnIncompleteRepositoryLeavesOursWhole covers a nested repository whose history is incomplete. It must not
// bring commits without their parents into the person's repository, but its content is still kept.
func TestKeepOfAnIncompleteRepositoryLeavesOursWhole(t *testing.T) {
	t.Parallel()
	for name, lay := range map[string]func(w *world, at string){
		"shallow": func(w *world, at string) {
			w.git(w.dir, "clone", "-q", "--depth", "1", "file://"+w.origin("lib"), at)
		},
		"partial clone": func(w *world, at string) {
			lib := w.origin("lib")
			w.git(lib, "config", "uploadpack.allowFilter", "true")
			w.git(w.dir, "clone", "-q", "--filter=blob:none", "file://"+lib, at)
			if err := os.RemoveAll(lib); err != nil {
				w.t.Fatal(err)
			}
		},
		"vanished alternates": func(w *world, at string) {
			lib := w.origin("lib")
			w.git(w.dir, "clone", "-q", "--shared", lib, at)
			if err := os.RemoveAll(lib); err != nil {
				w.t.Fatal(err)
			}
		},
		"corrupt": func(w *world, at string) {
			w.git(w.dir, "clone", "-q", "--no-local", w.origin("lib"), at)
			first := strings.TrimSpace(w.git(at, "rev-list", "--max-parents=0", "HEAD"))
			pack, _ := filepath.Glob(filepath.Join(at, ".git/objects/pack/*.pack"))
			moved := filepath.Join(w.dir, "moved.pack")
			if err := os.Rename(pack[0], moved); err != nil {
				w.t.Fatal(err)
			}
			w.pipe(at, moved, "unpack-objects", "-q")
			if err := os.Remove(filepath.Join(at, ".git/objects", first[:2], first[2:])); err != nil {
				w.t.Fatal(err)
			}
		},
		"another hash": func(w *world, at string) {
			w.git(w.dir, "init", "-q", "--object-format=sha256", at)
			w.write(at, "lib", "3\n")
			w.git(at, "add", "-A")
			w.git(at, "commit", "-qm", "sha256")
		},
		"empty .git": func(w *world, at string) {
			w.write(at, "lib", "3\n")
			w.write(at, ".git/HEAD", "ref: refs/heads/main\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			wt := w.prepare("t1")
			at := filepath.Join(wt.Path, "vendor")
			lay(w, at)
			own := ""
			if name != "vanished alternates" && name != "corrupt" && name != "empty .git" {
				w.write(at, "own", "committed\n")
				w.git(at, "add", "own")
				w.git(at, "commit", "-qm", "own")
				own = strings.TrimSpace(w.git(at, "rev-parse", "HEAD"))
			}
			w.write(at, "new", "untracked\n")
			ref := w.keep(wt.Path, "t1")
			w.wantWhole()
			if got := w.git(w.repo, "show", ref+":vendor/new"); got != "untracked\n" {
				t.Errorf("vendor/new = %q", got)
			}
			if again := w.keep(wt.Path, "t1"); again != ref {
				t.Errorf("the same state was kept twice: %s, %s", ref, again)
			}
			if err := w.r.RemoveWorktree(t.Context(), wt.Path, true); err != nil {
				t.Fatal(err)
			}
			if err := w.r.Restore(t.Context(), RestoreSpec{Path: wt.Path, Branch: wt.Branch, Ref: ref}); err != nil {
				t.Fatal(err)
			}
			if got := w.read(at, "new"); got != "untracked\n" {
				t.Errorf("restored vendor/new = %q", got)
			}
			if own != "" { // with its history, as far as that exists
				if got := w.git(at, "show", own+":own"); got != "committed\n" {
					t.Errorf("the agent's own commit: %q", got)
				}
			}
		})
	}
}

// submodule makes a worktree of a repository with a submodule, and checks the submodule out in it.
func (w *world) submodule(more ...string) (Worktree, string) {
	w.t.Helper()
	w.git(w.repo, "-c", "protocol.file.allow=always", "submodule", "add", "-q", w.origin("lib"), "sub")
	for _, setting := range more {
		w.git(w.repo, "config", "-f", ".gitmodules", "submodule.sub."+setting, "all")
		w.git(w.repo, "add", ".gitmodules")
	}
	w.git(w.repo, "commit", "-qm", "with a submodule")
	wt := w.prepare("t1")
	w.git(wt.Path, "-c", "protocol.file.allow=always", "submodule", "update", "-q", "--init")
	return wt, filepath.Join(wt.Path, "sub")
}

// TestKeepTakesWhatAPublishedTreeDoesNotShow checks that work which a tree does not show is kept before the worktree
// of published work is removed.
func TestKeepTakesWhatAPublishedTreeDoesNotShow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		work func(w *world, wt Worktree, sub string)
		show map[string]string // a path in a parent of the kept commit, and its content; empty if nothing is kept
	}{
		"a clean submodule": {work: func(*world, Worktree, string) {}},
		"a commit in a submodule": {
			work: func(w *world, wt Worktree, sub string) {
				w.write(sub, "own", "committed\n")
				w.git(sub, "add", "own")
				w.git(sub, "commit", "-qm", "own")
				w.git(wt.Path, "commit", "-qam", "bump")
			},
			show: map[string]string{"own": "committed\n"},
		},
		"a change in a submodule": {func(w *world, _ Worktree, sub string) { w.write(sub, "lib", "x\n") }, map[string]string{"lib": "x\n"}},
		"a file in a submodule":   {func(w *world, _ Worktree, sub string) { w.write(sub, "new", "x\n") }, map[string]string{"new": "x\n"}},
		"a stash in a submodule":  {func(w *world, _ Worktree, sub string) { w.write(sub, "lib", "x\n"); w.git(sub, "stash", "-q") }, map[string]string{"lib": "3\n"}},
		"a hidden change in a submodule": {
			func(w *world, _ Worktree, sub string) {
				w.git(sub, "update-index", "--assume-unchanged", "lib")
				w.write(sub, "lib", "x\n")
			},
			map[string]string{"lib": "x\n"},
		},
		"an ignored file that a submodule tracks": {
			func(w *world, _ Worktree, sub string) {
				w.write(sub, "x.log", "1\n")
				w.git(sub, "add", "-f", "x.log")
				w.git(sub, "commit", "-qm", "log")
				w.write(sub, ".gitignore", "*.log\n")
				w.write(sub, "x.log", "2\n")
			},
			map[string]string{"x.log": "2\n"},
		},
		"files in a submodule without repository": {
			func(w *world, wt Worktree, sub string) {
				w.git(wt.Path, "submodule", "deinit", "-q", "-f", "sub")
				w.write(sub, "new", "x\n")
			},
			map[string]string{"new": "x\n"},
		},
		"a submodule of a submodule": {
			func(w *world, _ Worktree, sub string) {
				w.git(sub, "-c", "protocol.file.allow=always", "submodule", "add", "-q", w.origin("deep"), "deep")
				w.write(filepath.Join(sub, "deep"), "own", "deep\n")
				w.git(filepath.Join(sub, "deep"), "add", "own")
				w.git(filepath.Join(sub, "deep"), "commit", "-qm", "deep")
			},
			map[string]string{"own": "deep\n"},
		},
		"a nested repository": {
			func(w *world, wt Worktree, _ string) {
				tool := filepath.Join(wt.Path, "tool")
				w.write(tool, "f", "f\n")
				w.git(tool, "init", "-q")
				w.git(tool, "add", "-A")
				w.git(tool, "commit", "-qm", "tool")
			},
			map[string]string{"f": "f\n"},
		},
		"a worktree inside": {
			func(w *world, wt Worktree, _ string) {
				w.git(wt.Path, "worktree", "add", "-q", ".claude/worktrees/x", "-b", "y")
				w.write(wt.Path, ".claude/worktrees/x/new", "x\n")
			},
			map[string]string{"new": "x\n"},
		},
		"an intent to add": {
			func(w *world, wt Worktree, _ string) {
				w.write(wt.Path, "later", "x\n")
				w.git(wt.Path, "add", "-N", "later")
			},
			nil, // it is in the tree, so it is published
		},
	} {
		eachWay(t, name, c.work, func(t *testing.T, w *world, wt Worktree) {
			tree := w.tree(wt.Path) // published by a version that ignored submodules
			published := strings.TrimSpace(w.git(wt.Path, "commit-tree", tree, "-p", "HEAD", "-m", "published"))
			w.git(wt.Path, "update-ref", "HEAD", published)
			w.git(wt.Path, "reset", "-q")
			ref, err := w.r.Keep(t.Context(), wt.Path, "t1", published)
			if err != nil || (ref == "") != (c.show == nil) {
				t.Fatalf("Keep = %q, %v; want one: %v", ref, err, c.show != nil)
			}
			if err := w.r.RemoveWorktree(t.Context(), wt.Path, true); err != nil {
				t.Fatal(err)
			}
			w.wantWhole()
			for path, want := range c.show {
				found := false
				for _, parent := range strings.Fields(w.git(w.repo, "log", "-1", "--format=%P", ref)) {
					got, err := w.tryGit(w.repo, "show", parent+":"+path)
					found = found || err == nil && got == want
				}
				if !found {
					t.Errorf("no parent of the kept commit has %s = %q", path, want)
				}
			}
			if got := w.git(w.repo, "worktree", "list", "--porcelain"); strings.Contains(got, wt.Path) {
				t.Errorf("still registered: %s", got)
			}
		})
	}
}

// TestTreeLeavesOutWorktreesInside checks that a worktree of this repository within the worktree is not part of the
// work.
func TestTreeLeavesOutWorktreesInside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wt := w.prepare("t1")
	w.git(wt.Path, "worktree", "add", "-q", ".claude/worktrees/x", "-b", "y")
	w.write(wt.Path, ".claude/notes", "n\n")
	check := func(what string) {
		t.Helper()
		got := w.git(w.repo, "ls-tree", "-r", "--name-only", w.tree(wt.Path))
		if strings.Contains(got, "worktrees/x") || !strings.Contains(got, ".claude/notes") {
			t.Errorf("%s: tree holds %s", what, got)
		}
	}
	check("untracked")
	w.git(wt.Path, "add", "-A")
	check("staged")
	w.git(wt.Path, "commit", "-qm", "everything")
	check("committed")
}

// TestTheRepairOfAHistoryThatIsNotWhole runs the repair that the page on reliability describes. Earlier versions took
// the tips of a shallow clone without their parents.
func TestTheRepairOfAHistoryThatIsNotWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shallow := filepath.Join(w.dir, "shallow")
	w.git(w.dir, "clone", "-q", "--depth", "1", "file://"+w.origin("lib"), shallow)
	tip := strings.TrimSpace(w.git(shallow, "rev-parse", "HEAD"))
	_, _ = w.tryGit(w.repo, "fetch", "-q", "--no-write-fetch-head", shallow, tip)
	tree := w.head("main^{tree}")
	whole := strings.TrimSpace(w.git(w.repo, "commit-tree", tree, "-p", "main", "-m", "whole"))
	broken := strings.TrimSpace(w.git(w.repo, "commit-tree", tree, "-p", "main", "-p", tip, "-m", "broken"))
	w.git(w.repo, "update-ref", "refs/muster/keep/t1/1", whole)
	w.git(w.repo, "update-ref", "refs/muster/keep/t2/1", broken)
	if _, err := w.tryGit(w.repo, "gc"); err == nil {
		t.Fatal("the repository is not broken")
	}
	page, err := os.ReadFile("../../docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "git for-each-ref --format='%(refname)' refs/muster/keep")
	script, _, ok := strings.Cut("git for-each-ref --format='%(refname)' refs/muster/keep"+rest, "git gc\n")
	if !ok {
		t.Fatal("the page has no such lines")
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	cmd.Dir = w.repo
	cmd.Env = append([]string{
		"GIT_AUTHOR_NAME=P", "GIT_AUTHOR_EMAIL=p@example.com", "GIT_COMMITTER_NAME=P", "GIT_COMMITTER_EMAIL=p@example.com",
	}, w.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.git(w.repo, "gc", "-q", "--prune=now")
	w.wantWhole()
	if got := w.head("refs/muster/keep/t1/1"); got != whole {
		t.Errorf("a ref that was whole is %s", got)
	}
	if got := w.head("refs/muster/keep/t2/1^{tree}"); got != tree {
		t.Errorf("the kept files are %s", got)
	}
}

// eachWay runs a test on a worktree that holds work. If the name mentions a submodule, the worktree has one: once an
// ordinary one, and once one whose changes git is told to ignore.
func eachWay(t *testing.T, name string, work func(*world, Worktree, string), test func(*testing.T, *world, Worktree)) {
	ways := map[string]func(w *world) (Worktree, string){"": func(w *world) (Worktree, string) { return w.prepare("t1"), "" }}
	if strings.Contains(name, "submodule") {
		ways = map[string]func(w *world) (Worktree, string){
			"":           func(w *world) (Worktree, string) { return w.submodule() },
			" (ignored)": func(w *world) (Worktree, string) { return w.submodule("ignore") },
		}
	}
	for way, prepare := range ways {
		t.Run(name+way, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			wt, sub := prepare(w)
			w.write(wt.Path, "work", "w\n")
			work(w, wt, sub)
			test(t, w, wt)
		})
	}
}
