package boot

import (
	"os"
	"slices"
	"strings"
	"testing"

	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/life"
)

func TestEnviron_TmuxServersOfAnAgentAreItsOwn(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "m") // the name of the test's own directory is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	h := home.Dir(dir)
	if err := environ.Save(h.Env(), []string{"PATH=/bin", "TMUX_TMPDIR=/tmp/the-users"}, nil); err != nil {
		t.Fatal(err)
	}
	task := life.Task{ID: event.NewTaskID(3)}
	env, err := Environ(h, task, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := "TMUX_TMPDIR=" + h.NewGen(task.ID, 2).RW() + "/tmux"
	if !slices.Contains(env, want) {
		t.Errorf("environment %v, want %s", env, want)
	}
	if st, err := os.Stat(strings.TrimPrefix(want, "TMUX_TMPDIR=")); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("its directory: %v, %v", st, err)
	}
	task.Spec.Env = map[string]string{"TMUX_TMPDIR": "/tmp/mine"}
	if env, err = Environ(h, task, 2); err != nil || !slices.Contains(env, "TMUX_TMPDIR=/tmp/mine") {
		t.Errorf("environment %v (%v), want that of the task", env, err)
	}
}
