package git

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"muster/internal/fault"
	"muster/internal/fault/faulttest"
)

// contextWithin returns a context that ends once a file exists.
func contextWithin(t *testing.T, file string) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	go func() {
		for ctx.Err() == nil && !exists(file) {
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
	}()
	return ctx, cancel
}

func TestCopyBringsFilesThatAreNoWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.write(w.repo, ".env", "SECRET=1\n")
	w.write(w.repo, "conf/local.json", "{}\n")
	if err := os.Chmod(filepath.Join(w.repo, ".env"), 0o640); err != nil {
		t.Fatal(err)
	}
	wt := w.prepare("t1")
	// A symbolic link of the person is followed.
	w.write(w.dir, "secrets/token", "T\n")
	for link, to := range map[string]string{"token": "../secrets/token", "dirl": filepath.Join(w.dir, "secrets")} {
		if err := os.Symlink(to, filepath.Join(w.repo, link)); err != nil {
			t.Fatal(err)
		}
	}
	files := []string{".env", "conf/local.json", "a.txt", "token", "dirl/token"}
	for range 2 {
		if err := w.r.Copy(ctx, wt.Path, files); err != nil {
			t.Fatal(err)
		}
	}
	if st, err := os.Stat(filepath.Join(wt.Path, ".env")); err != nil || st.Mode() != 0o640 || w.read(wt.Path, ".env") != "SECRET=1\n" {
		t.Errorf(".env: %v, %v", st, err)
	}
	for _, name := range []string{"token", "dirl/token"} {
		if st, err := os.Lstat(filepath.Join(wt.Path, name)); err != nil || !st.Mode().IsRegular() || w.read(wt.Path, name) != "T\n" {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
	// conf/local.json is not ignored, but it is not the agent's work.
	if tree := w.tree(wt.Path); tree != w.head("main^{tree}") {
		t.Errorf("a copied file is in the tree: %s", w.git(w.repo, "ls-tree", "-r", tree))
	}
	if u, err := w.r.Unsaved(ctx, wt.Path, wt.Branch, wt.Base, false); u.Any() || err != nil {
		t.Errorf("Unsaved = %+v, %v", u, err)
	}
	w.write(wt.Path, ".env", "agent's\n")
	w.write(w.repo, ".env", "newer\n")
	if err := w.r.Copy(ctx, wt.Path, files); err != nil {
		t.Fatal(err)
	}
	if got := w.read(wt.Path, ".env"); got != "agent's\n" {
		t.Errorf(".env was overwritten: %q", got)
	}
	w.git(wt.Path, "add", "conf/local.json") // now the agent wants it
	if tree := w.tree(wt.Path); tree == w.head("main^{tree}") {
		t.Error("a file that was added is not in the tree")
	}
	if err := w.r.RemoveWorktree(ctx, wt.Path, true); err != nil {
		t.Fatal(err)
	}
}

func TestCopyRefusesToLeaveItsRoots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secret := filepath.Join(w.dir, "secret")
	w.write(w.dir, "secret", "s\n")
	w.write(w.dir, "outside/f", "o\n")
	w.write(w.repo, "real/f", "r\n")
	wt := w.prepare("t1")
	for link, to := range map[string]string{
		filepath.Join(w.repo, "dangling"): "nothing",
		filepath.Join(wt.Path, "real"):    filepath.Join(w.dir, "outside"), // the agent points outside
	} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	for name, code := range map[string]fault.Code{
		"dangling": fault.NotFound, "real/f": fault.Usage, "../secret": fault.Usage,
		secret: fault.Usage, "": fault.Usage, ".": fault.Usage, "dir": fault.Usage, ".git/config": fault.Usage, "x/../../secret": fault.Usage,
		"a.txt/x": fault.NotFound, "sub/.GIT/config": fault.Usage, "missing": fault.NotFound, "dir/missing": fault.NotFound,
	} {
		faulttest.Want(t, w.r.Copy(t.Context(), wt.Path, []string{name}), code, strconv.Quote(name))
	}
	if got := w.read(w.dir, "outside/f"); got != "o\n" {
		t.Errorf("outside was written: %q", got)
	}
	if err := w.r.Copy(t.Context(), filepath.Join(w.under, "none"), []string{"a.txt"}); !fault.Is(err, fault.NotFound) {
		t.Errorf("err = %v", err)
	}
}
