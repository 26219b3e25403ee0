package git

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// brittleGit is a git of which one call fails, as the file beside it specifies. It is written once, before any fork: a
// program cannot be started while a child process still has it open for writing.
const brittleGit = `#!/bin/sh
read -r how nth git < "$0.conf"
n=0
[ -f "$0.calls" ] && read -r n < "$0.calls"
n=$((n + 1))
echo $n > "$0.calls"
if [ $n -eq $nth ]; then
	echo "$1" > "$0.verb"
	case $how in
	before) kill -9 $$ ;;
	after) "$git" "$@"; kill -9 $$ ;;
	full) trap '' XFSZ; ulimit -f 0 ;; # every write to a file fails
	torn) ulimit -f 0 ;; # the first write to a file kills
	esac
fi
exec "$git" "$@"
`

// brittle returns the repository with a git whose nth call fails.
func (w *world) brittle(how string, nth int) *Repo {
	w.t.Helper()
	bin := filepath.Join(w.dir, "bin")
	w.write(bin, "git.conf", fmt.Sprintln(how, nth, w.r.program))
	if err := os.Symlink(filepath.Join(template, "brittle"), filepath.Join(bin, "git")); err != nil {
		w.t.Fatal(err)
	}
	r := *w.r
	r.program = filepath.Join(bin, "git")
	return &r
}

// calls returns how often the brittle git was called.
func calls(r *Repo) int {
	b, _ := os.ReadFile(r.program + ".calls")
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}

// TestEveryCallMayBeTheLast checks that any call of git may be the last before a crash: the same request, made again,
// has the result that it would have had without the crash.
func TestEveryCallMayBeTheLast(t *testing.T) {
	t.Parallel()
	type job struct {
		before func(w *world) any
		do     func(t *testing.T, w *world, r *Repo, prepared any) error
		check  func(t *testing.T, w *world, prepared any)
	}
	type kept struct {
		wt    Worktree
		ref   string
		state string
		tree  string
	}
	messy := func(w *world) any {
		wt := w.prepare("t1")
		mess(w, wt.Path)
		return kept{wt: wt, state: w.state(wt.Path), tree: w.tree(wt.Path)}
	}
	for name, j := range map[string]job{
		"prepare": {
			before: func(w *world) any { return nil },
			do: func(t *testing.T, w *world, r *Repo, _ any) error {
				_, err := r.Prepare(t.Context(), w.spec("t1"))
				return err
			},
			check: func(t *testing.T, w *world, _ any) {
				wt := w.prepare("t1")
				if wt.Created || wt.Branch != "muster/t1-x" || wt.Base != w.head("main") || w.head(wt.Branch) != wt.Base {
					t.Errorf("Prepare = %+v", wt)
				}
				if got := w.git(wt.Path, "status", "--porcelain"); got != "" {
					t.Errorf("status = %q", got)
				}
			},
		},
		"keep": {
			before: messy,
			do: func(t *testing.T, w *world, r *Repo, p any) error {
				_, err := r.Keep(t.Context(), p.(kept).wt.Path, "t1", "")
				return err
			},
			check: func(t *testing.T, w *world, p any) {
				k := p.(kept)
				if got := w.state(k.wt.Path); got != k.state {
					t.Errorf("changed:\n%q\n%q", k.state, got)
				}
				refs, err := w.r.KeepRefs(t.Context(), "t1")
				if err != nil || len(refs) != 1 || w.head(refs[0].Ref+"^{tree}") != k.tree {
					t.Errorf("kept %+v, %v", refs, err)
				}
			},
		},
		"land": {
			before: messy,
			do: func(t *testing.T, w *world, r *Repo, p any) error {
				k := p.(kept)
				_, err := r.Land(t.Context(), LandSpec{WorkSpec: work(k.wt), Tree: k.tree})
				return err
			},
			check: func(t *testing.T, w *world, p any) {
				k := p.(kept)
				if n := w.git(w.repo, "rev-list", "--count", "main.."+k.wt.Branch); n != "1\n" {
					t.Errorf("%s commits landed", n)
				}
				if w.head(k.wt.Branch+"^{tree}") != k.tree || w.git(k.wt.Path, "status", "--porcelain") != "" {
					t.Errorf("not landed: %s", w.git(k.wt.Path, "status"))
				}
			},
		},
		"adopt": {
			before: func(w *world) any {
				k := messy(w).(kept)
				if err := os.RemoveAll(filepath.Join(w.repo, ".git/worktrees/t1-x")); err != nil {
					w.t.Fatal(err)
				}
				return k
			},
			do: func(t *testing.T, w *world, r *Repo, p any) error {
				return r.Adopt(t.Context(), w.spec("t1"))
			},
			check: func(t *testing.T, w *world, p any) {
				k := p.(kept)
				if ref := w.keep(k.wt.Path, "t1"); w.head(ref+"^{tree}") != k.tree || w.head(ref+"^") != k.wt.Base {
					t.Errorf("kept %s", w.git(w.repo, "show", "--stat", ref))
				}
				if err := w.r.RemoveWorktree(t.Context(), k.wt.Path, true); err != nil {
					t.Error(err)
				}
				if got := w.git(w.repo, "worktree", "list"); strings.Count(got, "\n") != 1 || exists(k.wt.Path+".adopting") {
					t.Errorf("left over: %s", got)
				}
			},
		},
		"restore": {
			before: func(w *world) any {
				k := messy(w).(kept)
				if err := os.Remove(filepath.Join(k.wt.Path, "ignored.log")); err != nil {
					w.t.Fatal(err)
				}
				k.state, k.ref = w.state(k.wt.Path), w.keep(k.wt.Path, "t1")
				if err := w.r.RemoveWorktree(w.t.Context(), k.wt.Path, true); err != nil {
					w.t.Fatal(err)
				}
				w.git(w.repo, "branch", "-q", "-D", k.wt.Branch)
				return k
			},
			do: func(t *testing.T, w *world, r *Repo, p any) error {
				k := p.(kept)
				return r.Restore(t.Context(), RestoreSpec{Path: k.wt.Path, Branch: k.wt.Branch, Ref: k.ref})
			},
			check: func(t *testing.T, w *world, p any) {
				k := p.(kept)
				if got := w.state(k.wt.Path); got != k.state {
					t.Errorf("restored:\n%q\nwant\n%q", got, k.state)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for nth := 1; ; nth++ {
				hows := []string{"before", "full", "after", "torn"}
				for i := 0; i < len(hows); i++ {
					w := newWorld(t)
					p := j.before(w)
					r := w.brittle(hows[i], nth)
					err := j.do(t, w, r, p) // it may notice the fault, or succeed without the call
					if calls(r) < nth {
						if err != nil || nth < 3 {
							t.Fatalf("without a fault, after %d calls: %v", calls(r), err)
						}
						return
					}
					w.age(filepath.Join(w.repo, ".git/refs/heads/muster/t1-x.lock"))
					w.age(filepath.Join(w.repo, ".git/worktrees/t1-x/index.lock"))
					verb := strings.TrimSpace(w.read(w.dir, "bin/git.verb"))
					if err := j.do(t, w, w.r, p); err != nil {
						t.Fatalf("again after call %d (%s, %s) went wrong: %v", nth, verb, hows[i], err)
					}
					j.check(t, w, p)
					switch verb {
					case "rev-parse", "for-each-ref", "ls-files", "log", "diff-index", "merge-base":
						hows = nil // it only reads: every other fault has the same effect
					case "add", "write-tree", "commit-tree", "update-index":
						hows = hows[:2] // it writes only objects that nothing refers to yet
					}
				}
			}
		})
	}
}

// age makes a file an hour old, if it exists.
func (w *world) age(file string) {
	w.t.Helper()
	then := time.Now().Add(-time.Hour)
	if err := os.Chtimes(file, then, then); err != nil && !errors.Is(err, os.ErrNotExist) {
		w.t.Fatal(err)
	}
}
