package git

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestMain lets the test binary act as another process that prepares worktrees.
func TestMain(m *testing.M) {
	if spec := os.Getenv("GIT_TEST_PREPARE"); spec != "" {
		os.Exit(prepareInProcess(spec))
	}
	os.Exit(runTests(m))
}

// template is a directory with the files that all tests start from. It is made once.
var template string

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "muster-git-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir) //nolint:errcheck // best effort
	template = dir
	if err := os.WriteFile(filepath.Join(dir, "brittle"), []byte(brittleGit), 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

type prepareJob struct {
	Repo, Under string
	Env         []string
	Spec        WorktreeSpec
}

func prepareInProcess(spec string) int {
	var job prepareJob
	if err := json.Unmarshal([]byte(spec), &job); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	r, err := Open(context.Background(), job.Repo, Under(job.Under), Env(job.Env), Private(filepath.Join(filepath.Dir(job.Under), "git")))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	wt, err := r.Prepare(context.Background(), job.Spec)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = json.NewEncoder(os.Stdout).Encode(wt)
	return 0
}

// world is a repository with one commit, with its own home directory and a directory for worktrees.
type world struct {
	t     testing.TB
	dir   string // the parent of everything
	repo  string // the checkout, branch main
	under string
	env   []string
	r     *Repo
	url   string // of the remote; "" is a repository beside it
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := emptyWorld(t)
	if err := os.CopyFS(w.repo, os.DirFS(planted())); err != nil {
		t.Fatal(err)
	}
	w.r = w.open(w.repo)
	return w
}

// planted makes the repository that newWorld copies.
var planted = sync.OnceValue(func() string {
	repo := filepath.Join(template, "repo")
	for name, content := range map[string]string{
		"a.txt": "one\n", "dir/b.txt": "two\n", "gone.txt": "three\n", ".gitignore": "*.log\n.env\n", "run.sh": "#!/bin/sh\n",
	} {
		path := filepath.Join(repo, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			panic(err)
		}
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"}, {"add", "-A"}, {"-c", "user.name=P", "-c", "user.email=p@example.com", "commit", "-qm", "first"},
	} {
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Env = repo, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + template, "GIT_CONFIG_NOSYSTEM=1"}
		if out, err := cmd.CombinedOutput(); err != nil {
			panic(fmt.Sprintf("git %v: %v\n%s", args, err, out))
		}
	}
	return repo
})

// bareWorld makes a world whose repository has no commits.
func bareWorld(t testing.TB) *world {
	t.Helper()
	w := emptyWorld(t)
	w.git(w.repo, "init", "-q", "-b", "main")
	return w
}

func emptyWorld(t testing.TB) *world {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, repo: filepath.Join(dir, "repo"), under: filepath.Join(dir, "state", "worktrees")}
	home := filepath.Join(dir, "home")
	w.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GIT_CONFIG_NOSYSTEM=1"}
	w.write(home, ".gitconfig", "[init]\n\tdefaultBranch = main\n")
	if err := os.MkdirAll(w.repo, 0o755); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) open(dir string) *Repo {
	w.t.Helper()
	r, err := Open(w.t.Context(), dir, Under(w.under), Env(w.env), Private(w.private()))
	if err != nil {
		w.t.Fatalf("Open(%s): %v", dir, err)
	}
	return r
}

// git runs git as a person with a configured name would.
func (w *world) git(dir string, args ...string) string {
	w.t.Helper()
	out, err := w.tryGit(dir, args...)
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return out
}

func (w *world) tryGit(dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(w.t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append([]string{
		"GIT_AUTHOR_NAME=An Agent", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=An Agent",
		"GIT_COMMITTER_EMAIL=a@example.com", "GIT_EDITOR=true",
	}, w.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (w *world) write(dir, name, content string) {
	w.t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) read(dir, name string) string {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

func (w *world) spec(task string) WorktreeSpec {
	return WorktreeSpec{Path: filepath.Join(w.under, task+"-x"), Branch: "muster/" + task + "-x", Base: "main", Task: task}
}

func (w *world) prepare(task string) Worktree {
	w.t.Helper()
	wt, err := w.r.Prepare(w.t.Context(), w.spec(task))
	if err != nil {
		w.t.Fatalf("Prepare(%s): %v", task, err)
	}
	return wt
}

func (w *world) keep(path, task string) string {
	w.t.Helper()
	ref, err := w.r.Keep(w.t.Context(), path, task, "")
	if err != nil {
		w.t.Fatalf("Keep: %v", err)
	}
	return ref
}

func (w *world) tree(path string) string {
	w.t.Helper()
	tree, err := w.r.Tree(w.t.Context(), path)
	if err != nil {
		w.t.Fatalf("Tree: %v", err)
	}
	return tree
}

func (w *world) head(rev string) string {
	w.t.Helper()
	return strings.TrimSpace(w.git(w.repo, "rev-parse", rev))
}

// state describes everything that a person can see of a worktree: files with modes and content, and git's output.
func (w *world) state(dir string) string {
	w.t.Helper()
	var b bytes.Buffer
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		if rel == ".git" {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		st, err := d.Info()
		if err != nil || d.IsDir() {
			return err
		}
		content := ""
		if st.Mode()&fs.ModeSymlink != 0 {
			content, err = os.Readlink(p)
		} else {
			var c []byte
			c, err = os.ReadFile(p)
			content = string(c)
		}
		fmt.Fprintf(&b, "%q %v %q\n", rel, st.Mode(), content)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	b.WriteString(w.git(dir, "--no-optional-locks", "status", "--porcelain=v2", "-z", "-uall", "--branch"))
	b.WriteString(w.git(dir, "ls-files", "-s", "-z"))
	return b.String()
}

// private returns the directory of private git directories.
func (w *world) private() string { return filepath.Join(filepath.Dir(w.under), "git") }
