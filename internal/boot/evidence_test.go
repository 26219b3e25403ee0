package boot

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/life"
	"muster/internal/testkit/files"
)

// evidenceHome returns a state directory with a saved environment.
func evidenceHome(t *testing.T, env ...string) home.Dir {
	t.Helper()
	h := home.Dir(t.TempDir())
	saveEnviron(t, h, env)
	return h
}

func saveEnviron(t interface{ Fatal(...any) }, h home.Dir, env []string) {
	if err := environ.Save(h.Env(), env, []string{"TOKEN"}); err != nil {
		t.Fatal(err)
	}
}

func nameOf(t interface {
	Helper()
	Fatal(...any)
}, e *Evidence, task life.Task,
) string {
	t.Helper()
	name, err := e.Environment(task)
	if err != nil || len(name) != 64 {
		t.Fatal("name ", name, ": ", err)
	}
	return name
}

// TestEvidence_AnyValueThatChecksSeeMakesAnotherName is the property: equal environments have equal names, whatever generation or
// worktree they are of, and a change of any variable that a check has gives another one.
func TestEvidence_AnyValueThatChecksSeeMakesAnotherName(t *testing.T) {
	t.Parallel()
	h := evidenceHome(t)
	e := NewEvidence(h)
	values := rapid.StringMatching(`[a-z=":\\ ]{0,6}`)
	rapid.Check(t, func(rt *rapid.T) {
		saved := map[string]string{"PATH": "/bin"}
		for _, name := range []string{"LANG", "TZ", "LC_ALL", "TOKEN", "XDG_DATA_HOME"} {
			if rapid.Bool().Draw(rt, "has "+name) {
				saved[name] = values.Draw(rt, name)
			}
		}
		task := life.Task{ID: "t1", Gen: 1, Worktree: "/w/1", Spec: event.Spec{Env: map[string]string{"MINE": values.Draw(rt, "MINE")}}}
		if _, has := saved["TOKEN"]; has {
			task.Spec.EnvFrom = []string{"TOKEN"}
		}
		list := func(vars map[string]string) (out []string) {
			for _, name := range rapid.Permutation(slices.Sorted(maps.Keys(vars))).Draw(rt, "order") {
				out = append(out, name+"="+vars[name])
			}
			return out
		}
		saveEnviron(rt, h, list(saved))
		was := nameOf(rt, e, task)
		saveEnviron(rt, h, list(saved))
		later := task
		later.ID, later.Gen, later.Worktree = "t2", 7, "/w/2"
		if now := nameOf(rt, e, later); now != was {
			rt.Fatalf("equal environments have the names %s and %s", was, now)
		}
		name := rapid.SampledFrom(append(slices.Sorted(maps.Keys(saved)), "MINE")).Draw(rt, "changed")
		if other := "other" + values.Draw(rt, "other"); name == "MINE" {
			task.Spec.Env["MINE"] += other
		} else {
			saved[name] += other
			saveEnviron(rt, h, list(saved))
		}
		if now := nameOf(rt, e, task); now == was {
			rt.Fatalf("%s was changed, and the name is the same", name)
		}
	})
}

func TestEvidence_FenceAndProgramsCount(t *testing.T) {
	t.Parallel()
	bin, link := t.TempDir(), filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(bin, link); err != nil {
		t.Fatal(err)
	}
	h := evidenceHome(t, "PATH=/bin:"+link)
	e := NewEvidence(h)
	task := life.Task{ID: "t1", Spec: event.Spec{Env: map[string]string{}}}
	names := map[string]string{}
	add := func(what string) {
		t.Helper()
		name := nameOf(t, e, task)
		if same, seen := names[name]; seen {
			t.Errorf("the name of %q is that of %q", what, same)
		}
		names[name] = what
	}
	add("nothing")
	task.Spec.Fence = &event.Fence{Cache: event.CacheRepository, Git: event.GitCommit}
	add("a fence")
	task.Spec.Fence = &event.Fence{Cache: event.CacheRepository, Git: event.GitCommit, Ports: []int{}}
	add("a fence without network")
	task.Spec.Fence = nil
	files.Write(t, filepath.Join(bin, "tool"), "new")
	add("a new program")
	other := t.TempDir()
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, link); err != nil {
		t.Fatal(err)
	}
	add("a link to other programs")
}

func TestEvidence_TheKeyBelongsToTheFleetAndNotToTheLog(t *testing.T) {
	t.Parallel()
	a, b := evidenceHome(t, "PATH=/bin", "TZ=1"), evidenceHome(t, "PATH=/bin", "TZ=1")
	task := life.Task{ID: "t1"}
	name := nameOf(t, NewEvidence(a), task)
	if again := nameOf(t, NewEvidence(a), task); again != name {
		t.Errorf("the next supervisor says %s, not %s", again, name)
	}
	st, err := os.Stat(a.EvidenceKey())
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", st, err)
	}
	sameHome := NewEvidence(a)
	sameHome.home, sameHome.key = a, make([]byte, evidenceKey) // who does not know the key cannot try values
	if guess := nameOf(t, sameHome, task); guess == name {
		t.Error("the name does not depend on the key")
	}
	if other := nameOf(t, NewEvidence(b), task); other == name {
		t.Error("another fleet has the same key")
	}
	files.Write(t, a.EvidenceKey(), strings.Repeat("x", evidenceKey-1))
	if mended := nameOf(t, NewEvidence(a), task); mended == name {
		t.Error("a damaged key is used")
	}
}

func TestEvidence_AKeyThatCannotBeSavedLastsAsLongAsTheProcess(t *testing.T) {
	t.Parallel()
	h := evidenceHome(t, "PATH=/bin")
	if err := os.MkdirAll(filepath.Join(h.EvidenceKey(), "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	e, task := NewEvidence(h), life.Task{ID: "t1"}
	name := nameOf(t, e, task)
	if again := nameOf(t, e, task); again != name {
		t.Errorf("%s, then %s", name, again)
	}
	if other := nameOf(t, NewEvidence(h), task); other == name {
		t.Error("another process has the key")
	}
}
