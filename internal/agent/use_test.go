package agent_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"muster/internal/agent"
	"muster/internal/agent/sim"
)

// TestDescribe_AFileIsWhereItsLinksLead checks that rules for the worktree do not hold for a file outside of it, also if that
// file does not exist yet.
func TestDescribe_AFileIsWhereItsLinksLead(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	worktree, outside := filepath.Join(dir, "work"), filepath.Join(dir, "outside")
	for _, d := range []string{filepath.Join(worktree, "docs"), outside} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"in": "docs", "out": outside, "new": filepath.Join(outside, "new"), "docs/far": "../../outside/far", "chain": "new", "loop": "loop",
	} {
		if err := os.Symlink(target, filepath.Join(worktree, link)); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"a.txt":                          "a.txt",
		filepath.Join(worktree, "a.txt"): "a.txt",
		"docs/new/a.txt":                 "docs/new/a.txt",
		"in/a.txt":                       "docs/a.txt",
		"out/a.txt":                      outside + "/a.txt",
		"new":                            outside + "/new",
		"new/a.txt":                      outside + "/new/a.txt",
		"docs/far":                       outside + "/far",
		"chain":                          outside + "/new",
		"../work/a.txt":                  "a.txt",
		"../a.txt":                       dir + "/a.txt",
		"loop":                           "loop",
	} {
		if got := agent.Describe(sim.New(), "Edit", []byte(`{"command":"`+path+`"}`), worktree); !slices.Equal(got.Paths, []string{want}) {
			t.Errorf("%s: %v, want %s", path, got.Paths, want)
		}
	}
}
