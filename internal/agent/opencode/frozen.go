package opencode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/fault"
	"muster/internal/text"
)

// The agent reads its configuration from the worktree, where it and everything that it runs can write: permissions, plugins that run
// within it, and servers. If it is not as the task began with it, the agent is told to read none of the worktree (by the
// variable that 1.18.33 describes for that; no test starts the program so), and gets the configuration of the commit from a directory of muster's own. Instructions (AGENTS.md) grant nothing and are
// always those of the worktree.

const (
	projectDir = ".opencode"
	// noProjectVariable keeps the agent from reading the worktree's configuration and instructions.
	noProjectVariable = "OPENCODE_DISABLE_PROJECT_CONFIG"
	// dirVariable names one more directory of configuration.
	dirVariable = "OPENCODE_CONFIG_DIR"
	// frozenDir is that directory, in home.Gen.RO.
	frozenDir = "project"
)

// configNames are the files with settings, the weakest first.
var configNames = []string{"opencode.json", "opencode.jsonc", projectDir + "/opencode.json", projectDir + "/opencode.jsonc"}

// installs are what the agent itself writes into projectDir: its package for plugins.
var installs = []string{"node_modules", "package.json", "package-lock.json", "bun.lock", "bun.lockb", ".gitignore"}

// instructionNames are the files with the project's instructions, of which the agent reads the first.
var instructionNames = []string{"AGENTS.md", "CLAUDE.md", "CONTEXT.md"}

// project is what a launch takes of the project's configuration.
type project struct {
	changed  bool           // the worktree's differs from the one with which the task began
	settings map[string]any // of the latter
	files    []agent.File   // of its projectDir, to be used instead of the worktree's; nil if that is used
}

// frozenProject compares the configuration in the worktree with the one with which the task began.
func frozenProject(l agent.Launch) (project, error) {
	p := project{settings: map[string]any{}}
	if l.Base == nil {
		return p, nil
	}
	c, err := agent.ReadConfiguration(l, agent.Places{
		Compare: []string{"opencode.json", "opencode.jsonc", projectDir},
		Ignore: func(name string) bool {
			rest, below := strings.CutPrefix(name, projectDir+"/")
			first, _, _ := strings.Cut(rest, "/")
			return below && slices.Contains(installs, first)
		},
	})
	if err != nil {
		return p, err
	}
	p.changed = c.Changed
	for _, name := range configNames {
		var one map[string]any
		if b, ok := c.Began[name]; ok && json.Unmarshal(agent.PlainJSON(b), &one) == nil {
			p.settings = merged(p.settings, one).(map[string]any) //nolint:forcetypeassert // of two objects
		}
	}
	if !p.changed {
		return p, nil
	}
	if _, taken := environ.Lookup(l.Env, dirVariable); taken {
		return p, fault.New(fault.Conflict, "the configuration of OpenCode in the worktree is not as the task began with it, and %s leaves no place for that one", dirVariable).
			WithHint("Put it back in %s, or remove %s from [agents.%s].", l.Worktree, dirVariable, l.Spec.Agent)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Began)) {
		if rest, below := strings.CutPrefix(name, projectDir+"/"); below && !slices.Contains(configNames, name) && !slices.Contains(installs, rest) && !bytes.HasPrefix(c.Began[name], []byte("-> ")) {
			p.files = append(p.files, agent.File{Path: path.Join(frozenDir, rest), Data: c.Began[name], Mode: 0o600})
		}
	}
	p.files = append(p.files, installed(frozenDir)...)
	return p, nil
}

// variables returns the variables of a launch by which the agent reads none of the worktree's configuration.
func (p project) variables(l agent.Launch) []string {
	if !p.changed {
		return nil
	}
	return []string{noProjectVariable + "=1", dirVariable + "=" + filepath.Join(l.Dirs().RO(), frozenDir)}
}

// under returns muster's layer of the configuration with the project's settings below it, where the agent does not read them itself,
// and with a program ahead of the commands of its servers.
func (p project) under(ours layer, l agent.Launch) ([]byte, error) {
	if p.changed {
		for _, name := range instructionNames {
			file := filepath.Join(l.Worktree, name)
			if _, err := agent.ReadSetup(file, maxFile); err == nil {
				ours.Instructions = append(ours.Instructions, file)
				break
			}
		}
	}
	b, err := json.Marshal(ours)
	if err != nil {
		return nil, fmt.Errorf("encode the configuration: %w", err)
	}
	var top any
	if err := json.Unmarshal(b, &top); err != nil {
		return nil, fmt.Errorf("encode the configuration: %w", err)
	}
	if p.changed {
		top = merged(p.settings, top)
	}
	if ours.Shell != "" {
		top = merged(top, map[string]any{"mcp": fencedServers(p.settings, ours.Shell)})
	}
	if b, err = json.Marshal(top); err != nil {
		return nil, fmt.Errorf("encode the configuration: %w", err)
	}
	return b, nil
}

// fencedServers returns the commands of the project's servers with a program ahead of them that takes a command line after -c.
func fencedServers(settings map[string]any, program string) map[string]any {
	out := map[string]any{}
	servers, _ := settings["mcp"].(map[string]any)
	for name, v := range servers {
		server, _ := v.(map[string]any)
		words, _ := server["command"].([]any)
		var line []string
		for _, w := range words {
			if s, ok := w.(string); ok {
				line = append(line, text.Quote(s))
			}
		}
		if len(line) > 0 {
			out[name] = map[string]any{"command": []any{program, "-c", "exec " + strings.Join(line, " ")}}
		}
	}
	return out
}

// merged returns two values of the configuration as the agent merges those of its files: of two values that are no objects the second
// one counts, but plugins and instructions are joined.
func merged(low, high any) any {
	l, isLow := low.(map[string]any)
	h, isHigh := high.(map[string]any)
	if !isLow || !isHigh {
		return high
	}
	out := maps.Clone(l)
	for name, v := range h {
		old, both := out[name]
		list, isList := v.([]any)
		oldList, wasList := old.([]any)
		switch {
		case both && isList && wasList && (name == "plugin" || name == "instructions"):
			v = slices.Concat(oldList, list)
		case both:
			v = merged(old, v)
		}
		out[name] = v
	}
	return out
}
