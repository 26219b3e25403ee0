package agenttest

import (
	"os"
	"path/filepath"
	"testing"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
)

// NewLaunch returns a launch of an agent of this kind in a directory of its own, see Root.
func NewLaunch(t testing.TB, kind string) agent.Launch {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"repo/.git", "work"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return agent.Launch{
		Home: home.Dir(filepath.Join(dir, "state")), Task: "t3", Gen: 1, Worktree: filepath.Join(dir, "work"), Exe: "/bin/muster-1",
		Env:  []string{"HOME=" + dir, "PATH=" + dir + ":/usr/bin:/bin"},
		Spec: event.Spec{Agent: kind, Kind: kind, Repo: filepath.Join(dir, "repo")}, Prompt: "do it",
	}
}

// Root returns the directory of a launch of NewLaunch: the user's home, and the first of the PATH.
func Root(l agent.Launch) string { return filepath.Dir(l.Worktree) }

// Plan returns the plan of a launch, which must succeed.
func Plan(t testing.TB, a agent.Adapter, l agent.Launch) agent.Plan {
	t.Helper()
	p, err := a.Plan(l)
	if err != nil {
		t.Fatalf("Plan: %v (%s)", err, fault.HintOf(err))
	}
	return p
}
