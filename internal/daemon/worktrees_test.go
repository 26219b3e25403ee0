package daemon

import (
	"os"
	"os/exec"
	"sync"
	"testing"

	"muster/internal/event"
	"muster/internal/git"
	"muster/internal/home"
	"muster/internal/life"
)

// TestOneRepositoryForAll checks that actions which open a repository at the same time share it. With a Repo each,
// they would poll for the repository's lock, and the actions that share a Repo would starve the others.
func TestOneRepositoryForAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := git.Create(t.Context(), dir, map[string]string{"a": "a\n"}, git.Env(os.Environ())); err != nil {
		t.Fatal(err)
	}
	w := worktrees{home: home.Dir(t.TempDir()), env: os.Environ(), opened: &sync.Map{}}
	task := life.Task{ID: "t1", Spec: event.Spec{Repo: dir}}
	found := make([]*git.Repo, 8)
	var all sync.WaitGroup
	for i := range found {
		all.Go(func() {
			repo, err := w.open(t.Context(), task)
			if err != nil {
				t.Error(err)
			}
			found[i] = repo
		})
	}
	all.Wait()
	for _, repo := range found {
		if repo == nil || repo != found[0] {
			t.Fatalf("several repositories were opened: %v", found)
		}
	}
	// A repository that was created again is a different one.
	again := exec.Command("sh", "-ec", `cp -R "$0/.git" "$0/.git2" && rm -rf "$0/.git" && mv "$0/.git2" "$0/.git"`, dir)
	if out, err := again.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if repo, err := w.open(t.Context(), task); err != nil || repo == found[0] {
		t.Fatalf("a repository that is gone was taken again: %v, %v", repo, err)
	}
}
