package opencode

import (
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/fence"
	"muster/internal/run"
	"muster/internal/text"
)

// shellName is the program in home.Gen.RO that the agent takes for the user's shell, in a fence. The name must be no shell's, or the
// agent passes it more than a command line.
const shellName = "shell"

// shell returns the fence of the commands that the agent runs for its model, and of the project's servers; nil without a fence.
func shell(l agent.Launch) *agent.Shell {
	if l.Spec.Fence == nil || !fence.Nests {
		return nil
	}
	return &agent.Shell{Path: shellName, Program: loginShell(l.Env), Drop: keyVariables(l)}
}

// loginShell returns the shell that the agent would use: the user's, or bash.
func loginShell(env []string) string {
	path := environ.Get(env, "SHELL")
	if filepath.IsAbs(path) && slices.Contains([]string{"bash", "zsh", "sh", "dash", "ksh"}, filepath.Base(path)) {
		return path
	}
	if path, err := run.LookPath("bash", env); err == nil && filepath.IsAbs(path) {
		return path
	}
	return "/bin/sh"
}

// envPattern matches a variable in the configuration of a provider.
var envPattern = text.Pattern(`\{env:([A-Za-z_][A-Za-z0-9_]*)\}`)

// keyVariables returns the variables that may hold a key of the model, or settings with one.
func keyVariables(l agent.Launch) []string {
	names := []string{contentVariable, "OPENCODE_AUTH_CONTENT", "AWS_BEARER_TOKEN_BEDROCK"}
	for _, kv := range l.Env {
		if name, _, _ := strings.Cut(kv, "="); strings.HasSuffix(name, "_API_KEY") {
			names = append(names, name)
		}
	}
	c, _ := readConfig(l.Env, l.Spec.Repo) // Check has reported what cannot be read
	for _, provider := range c.Provider {
		for _, m := range envPattern().FindAllSubmatch(provider, -1) {
			names = append(names, string(m[1]))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
