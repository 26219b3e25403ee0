package environ

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLookup_TheLastOneCounts(t *testing.T) {
	t.Parallel()
	env := []string{"A=1", "AB=2", "A=3=x", "EMPTY=", "bare"}
	for name, want := range map[string]string{"A": "3=x", "AB": "2", "EMPTY": "", "NONE": "", "bare": ""} {
		if got := Get(env, name); got != want {
			t.Errorf("Get(%s) = %q, want %q", name, got, want)
		}
	}
	if _, ok := Lookup(env, "EMPTY"); !ok {
		t.Error("an empty variable is not found")
	}
	if _, ok := Lookup(env, "bare"); ok {
		t.Error("a word without = is found")
	}
}

func TestOverlay_ReplacesAndLeavesItsArgumentAlone(t *testing.T) {
	t.Parallel()
	env := []string{"A=1", "B=2", "A=3"}
	got := Overlay(env, "C=x=y", "A=4", "A=5")
	if d := cmp.Diff([]string{"B=2", "A=5", "C=x=y"}, got); d != "" {
		t.Errorf("overlay (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"A=1", "B=2", "A=3"}, env); d != "" {
		t.Errorf("the argument was changed (-want +got):\n%s", d)
	}
}

func TestReadAgent_RefusesWhatIsDamaged(t *testing.T) {
	t.Parallel()
	whole := map[string]string{Home: "/h", Task: "t1", Gen: "2", StatusFile: "/h/s", Worktree: "/w", Wait: "90"}
	read := func(name, value string) (Agent, bool) {
		return ReadAgent(func(n string) string {
			if n == name {
				return value
			}
			return whole[n]
		})
	}
	want := Agent{Home: "/h", Task: "t1", Gen: 2, StatusFile: "/h/s", Worktree: "/w", Wait: 90 * time.Second}
	if got, ok := read("", ""); !ok || got != want {
		t.Errorf("ReadAgent = %+v, %v, want %+v", got, ok, want)
	}
	for _, bad := range [][2]string{
		{Home, ""}, {Home, "h"}, {Task, ""}, {Task, "../t1"}, {Gen, ""}, {Gen, "0"}, {Gen, "one"}, {StatusFile, "s"},
	} {
		if got, ok := read(bad[0], bad[1]); ok {
			t.Errorf("with %s=%q: %+v", bad[0], bad[1], got)
		}
	}
	for name, value := range map[string]string{StatusFile: "", Worktree: "", Wait: "soon"} {
		if _, ok := read(name, value); !ok {
			t.Errorf("%s=%q is refused", name, value)
		}
	}
}
