package control

import (
	"slices"
	"testing"

	"muster/internal/event"
)

func TestConfiguresNamesWhatDecidesWhatRunsLater(t *testing.T) {
	t.Parallel()
	checks := []event.Check{{Name: "test", Run: "sh ./ci/test.sh -v"}}
	for file, want := range map[string]Concern{
		"muster.toml": ConcernChecks, "ci/test.sh": ConcernChecks, "AGENTS.md": ConcernAgents, "lib/AGENTS.md": ConcernAgents,
		".agents/skills/x.md": ConcernAgents, ".gitattributes": ConcernGit, "vendor/x/.gitmodules": ConcernGit, ".husky/pre-commit": ConcernGit,
		".github/workflows/ci.yml": ConcernAutomation, ".envrc": ConcernShell, "app/.vscode/tasks.json": ConcernEditor, "web/.npmrc": ConcernDependencies,
		"main.go": "", "docs/muster.toml.md": "", ".github/ISSUE_TEMPLATE.md": "", "test.sh": "", "x.vscode/a": "", ".gitignore": "",
	} {
		got := configures([]string{"a.go", file}, checks)
		switch {
		case want == "" && len(got) > 0:
			t.Errorf("%s: %v, want nothing", file, got)
		case want != "" && !slices.Equal(got, []Configuring{{file, want}}):
			t.Errorf("%s: %v, want %s", file, got, want)
		}
	}
}

func TestConfiguresKnowsTheFilesOfEachKindOfAgent(t *testing.T) {
	t.Parallel()
	for _, place := range agentFiles() {
		if got := configures([]string{"sub/" + place + "x"}, nil); place[len(place)-1] == '/' && len(got) != 1 {
			t.Errorf("%s: %v", place, got)
		}
		if got := configures([]string{"sub/" + place}, nil); place[len(place)-1] != '/' && len(got) != 1 {
			t.Errorf("%s: %v", place, got)
		}
	}
	if n := len(agentFiles()); n < 5 {
		t.Errorf("the kinds name %d files", n)
	}
}
