package command

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/home"
)

// newLaunch returns a launch in a directory of its own, whose PATH starts there.
func newLaunch(t *testing.T) agent.Launch {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"repo/.git", "work"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	program(t, dir, "agent", "true")
	return agent.Launch{
		Home: home.Dir(filepath.Join(dir, "state")), Task: "t3", Gen: 1, Worktree: filepath.Join(dir, "work"), Exe: "/bin/muster-1",
		Env:  []string{"HOME=" + dir, "PATH=" + dir + ":/usr/bin:/bin"},
		Spec: event.Spec{Agent: "command", Kind: "command", Repo: filepath.Join(dir, "repo")}, Prompt: "do it",
	}
}

// program writes an executable shell script.
func program(t *testing.T, dir, name, script string) {
	t.Helper()
	// A child of another test that was forked but has not called exec yet may hold the file open for writing.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
}

func mustPlan(t *testing.T, a agent.Adapter, l agent.Launch) agent.Plan {
	t.Helper()
	p, err := a.Plan(l)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
