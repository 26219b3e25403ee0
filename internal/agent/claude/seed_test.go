package claude_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/agent"
	"muster/internal/agent/claude"
	"muster/internal/event"
	"muster/internal/testkit/files"
)

func TestSeed_CopiesAnswersAndNoHooks(t *testing.T) {
	t.Parallel()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	repo := filepath.Join(home, "repo")
	for _, dir := range []string{"repo/.git", "other", ".claude/skills/one", "dotfiles"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	files.Write(t, filepath.Join(home, ".claude.json"), `{"hasCompletedOnboarding":true,"oauthAccount":{"x":"private"},"mcpServers":{"s":{"env":{"T":"private"}}},
		"customApiKeyResponses":{"approved":["tail"]},"projects":{"`+repo+`":{"hasTrustDialogAccepted":true,"history":["private"]},"`+home+`/other":{"hasTrustDialogAccepted":true}}}`)
	files.Write(t, filepath.Join(home, ".claude", "settings.json"), `{"hooks":{"Stop":[]},"sandbox":{"enabled":true},"apiKeyHelper":"private","model":"m"}`)
	files.Write(t, filepath.Join(home, ".claude", ".credentials.json"), "private")
	files.Write(t, filepath.Join(home, ".claude", "skills", "one", "SKILL.md"), "a skill")
	files.Write(t, filepath.Join(home, "dotfiles", "CLAUDE.md"), "my words")
	if err := os.Symlink(filepath.Join(home, "dotfiles", "CLAUDE.md"), filepath.Join(home, ".claude", "CLAUDE.md")); err != nil {
		t.Fatal(err)
	}
	seeder, ok := claude.New().(agent.Seeder)
	if !ok {
		t.Fatal("the adapter seeds nothing")
	}
	got, err := seeder.Seed(agent.Launch{Spec: event.Spec{Repo: repo, Fence: &event.Fence{}}, Worktree: filepath.Join(home, "state", "w")}, []string{"HOME=" + home})
	if err != nil {
		t.Fatal(err)
	}
	seeded := map[string]string{}
	for _, f := range got {
		seeded[f.Path] = string(f.Data)
		if strings.Contains(string(f.Data), "private") || strings.Contains(string(f.Data), "/other") {
			t.Errorf("%s holds %s", f.Path, f.Data)
		}
	}
	if len(seeded) != 4 || seeded["CLAUDE.md"] != "my words" || seeded["skills/one/SKILL.md"] != "a skill" || seeded["settings.json"] != `{"model":"m"}` {
		t.Errorf("seeded %v", seeded)
	}
	var global struct {
		Done     bool `json:"hasCompletedOnboarding"`
		Approved struct {
			Approved []string `json:"approved"`
		} `json:"customApiKeyResponses"`
		Projects map[string]struct {
			Trusted bool `json:"hasTrustDialogAccepted"`
		} `json:"projects"`
	}
	if err := json.Unmarshal([]byte(seeded[".claude.json"]), &global); err != nil || !global.Done || len(global.Approved.Approved) != 1 || !global.Projects[repo].Trusted {
		t.Errorf("global %s: %v", seeded[".claude.json"], err)
	}
}
