package control

import (
	"context"
	"path"
	"slices"
	"strings"

	"muster/internal/agent/all"
	"muster/internal/change"
	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/store"
)

// Concern is what a changed file configures.
type Concern string

// The concerns, the weightiest first.
const (
	ConcernChecks       Concern = "checks" // the project's own checks, or a script that one of them names
	ConcernAgents       Concern = "agents" // rules, hooks, servers and instructions of later agents
	ConcernGit          Concern = "git"    // programs that git runs, and where submodules come from
	ConcernAutomation   Concern = "automation"
	ConcernShell        Concern = "shell"        // what a shell runs that enters the directory
	ConcernEditor       Concern = "editor"       // what an editor runs that opens the directory
	ConcernDependencies Concern = "dependencies" // where packages come from, and what is run when they are installed
)

// configuring lists the files that decide what runs later for a person who uses the repository: a base name at any depth, or a
// directory, which ends in a slash. The kinds of agents add their own files, and change.Defines knows those of the checks.
var configuring = map[Concern][]string{
	ConcernAgents: {"AGENTS.md", ".agents/", ".cursor/", ".cursorrules", ".windsurfrules", "copilot-instructions.md"},
	ConcernGit: {
		".gitattributes", ".gitmodules", ".gitconfig", ".githooks/", ".husky/", ".pre-commit-config.yaml", "lefthook.yml", "lefthook.yaml",
		".lefthook/", ".overcommit.yml",
	},
	ConcernAutomation: {
		".github/workflows/", ".github/actions/", ".gitlab-ci.yml", ".circleci/", ".buildkite/", ".woodpecker/", ".woodpecker.yml", "Jenkinsfile",
		"azure-pipelines.yml", ".travis.yml", ".drone.yml", ".forgejo/workflows/", ".gitea/workflows/",
	},
	ConcernShell:        {".envrc", "mise.toml", ".mise.toml", ".mise/"},
	ConcernEditor:       {".vscode/", ".idea/", ".devcontainer/", ".zed/", ".nvim.lua", ".exrc"},
	ConcernDependencies: {".npmrc", ".yarnrc", ".yarnrc.yml", ".cargo/", "pip.conf", "rust-toolchain.toml"},
}

// Configuring is a changed file that decides what runs later.
type Configuring struct {
	Path    string  `json:"path"`
	Concern Concern `json:"concern"`
}

// maxConfiguring bounds the list of one task.
const maxConfiguring = 200

// configures returns those of changed files that decide what runs later. The list is sorted by concern and path.
func configures(files []string, checks []event.Check) []Configuring {
	concerns := []Concern{ConcernChecks, ConcernAgents, ConcernGit, ConcernAutomation, ConcernShell, ConcernEditor, ConcernDependencies}
	var out []Configuring
	for _, concern := range concerns {
		places := configuring[concern]
		if concern == ConcernAgents {
			places = agentFiles()
		}
		for _, file := range files {
			hit := slices.ContainsFunc(places, func(place string) bool { return at(place, file) }) || concern == ConcernChecks && change.Defines(checks, file)
			if hit && len(out) < maxConfiguring {
				out = append(out, Configuring{Path: file, Concern: concern})
			}
		}
	}
	return out
}

// agentFiles returns the places of what configures agents of any kind.
func agentFiles() []string { return slices.Concat(configuring[ConcernAgents], all.Configures()) }

// at reports whether a file is at one of the places of configuring.
func at(place, file string) bool {
	if strings.HasSuffix(place, "/") {
		return strings.Contains("/"+file, "/"+place)
	}
	return path.Base(file) == place
}

// configuresOf returns what of a task's newest recorded work decides what runs later; nil if nothing is recorded yet, or it cannot be
// read.
func (c *Control) configuresOf(ctx context.Context, t life.Task, rounds []store.RoundRow) []Configuring {
	tree := recordedTree(t, rounds)
	if tree == "" {
		return nil
	}
	repo, err := c.repository(ctx, t)
	if err != nil {
		return nil
	}
	files, err := repo.ChangedFiles(ctx, t.Base, tree)
	if err != nil {
		return nil
	}
	found := configures(files, t.Spec.Checks)
	if found == nil {
		found = []Configuring{}
	}
	return found
}

// recordedTree returns a task's newest recorded work: of the newest round of checks, and otherwise what was published. It returns ""
// if nothing is recorded yet.
func recordedTree(t life.Task, rounds []store.RoundRow) string {
	switch n := len(rounds); {
	case t.Base == "":
		return ""
	case n > 0 && rounds[n-1].Tree != "":
		return rounds[n-1].Tree
	case t.Published != nil:
		return t.Published.Commit
	}
	return ""
}
