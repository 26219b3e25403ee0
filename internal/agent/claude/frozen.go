package claude

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"muster/internal/agent"
)

// The agent takes its configuration from the worktree, where it and everything that it runs can write. While it runs it applies
// no change (keepConfiguration). This file is about its start: if the configuration is not that of the commit with which the
// task began, the agent gets the settings of that commit and none of the worktree's, and the definitions of subagents, commands
// and skills there are not used. Instructions (CLAUDE.md, rules) grant nothing and are always those of the worktree.

const (
	projectSettings = ".claude/settings.json"
	localSettings   = ".claude/settings.local.json"
	projectMCP      = ".mcp.json"
	// instructionsVariable lets the agent read the instructions of the directories of --add-dir.
	instructionsVariable = "CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD"
	// maxDefinition bounds a file of the project's configuration, in bytes.
	maxDefinition = 1 << 20
)

// granting are the files and directories of a project that can allow the agent something.
var granting = []string{
	projectSettings, localSettings, ".claude/agents", ".claude/commands", ".claude/skills", ".claude/workflows",
}

// projectConfiguration is what a launch takes of the project's configuration.
type projectConfiguration struct {
	changed bool            // the worktree's differs from the frozen one
	frozen  []any           // settings to apply instead, the weakest first; nil if the worktree's are used
	foreign map[string]bool // servers of the worktree's .mcp.json that the frozen one does not have
}

// frozenProject compares the configuration in the worktree with the one with which the task began.
func frozenProject(l agent.Launch) (projectConfiguration, error) {
	var p projectConfiguration
	if l.Base == nil {
		return p, nil
	}
	c, err := agent.ReadConfiguration(l, agent.Places{Compare: granting, Also: []string{projectMCP}})
	if err != nil {
		return p, err
	}
	p.foreign = foreignServers(l.Worktree, c.Began[projectMCP])
	if p.changed = c.Changed; !p.changed {
		return p, nil
	}
	p.frozen = append(p.frozen, wanted(c.Began[projectSettings]))
	local, ok := c.Began[localSettings]
	if !ok { // newer versions take that of the main checkout
		local, _ = agent.ReadSetup(filepath.Join(l.Spec.Repo, localSettings), maxDefinition)
	}
	p.frozen = append(p.frozen, wanted(local))
	return p, nil
}

// args returns the arguments of a launch by which the agent reads no configuration in the worktree but its instructions.
func (p projectConfiguration) args(l agent.Launch) []string {
	if !p.changed {
		return nil
	}
	return []string{"--setting-sources=user", "--add-dir=" + l.Worktree}
}

// under returns settings of muster with the frozen ones of the project below them, as JSON.
func (p projectConfiguration) under(ours []byte) ([]byte, error) {
	var top any
	if err := json.Unmarshal(ours, &top); err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	var all any = map[string]any{}
	for _, layer := range append(slices.Clone(p.frozen), top) {
		all = merged(all, layer)
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	return append(b, '\n'), nil
}

// merged returns two values of settings as the agent merges those of its files: lists are joined, of other values the second
// one counts.
func merged(low, high any) any {
	switch h := high.(type) {
	case map[string]any:
		l, ok := low.(map[string]any)
		if !ok {
			return high
		}
		out := maps.Clone(l)
		for name, v := range h {
			if under, ok := out[name]; ok {
				v = merged(under, v)
			}
			out[name] = v
		}
		return out
	case []any:
		l, ok := low.([]any)
		if !ok {
			return high
		}
		out := slices.Clone(l)
		for _, v := range h {
			if !slices.ContainsFunc(out, func(o any) bool { return reflect.DeepEqual(o, v) }) {
				out = append(out, v)
			}
		}
		return out
	}
	return high
}

// wanted returns the settings of a project that hold where muster hands them over: rules, hooks and variables. A project does
// not choose the permission mode, approve servers, or name programs that hand out keys.
func wanted(content []byte) any {
	var all map[string]any
	if json.Unmarshal(content, &all) != nil {
		return map[string]any{}
	}
	out := map[string]any{}
	for _, name := range []string{"permissions", "hooks", "env", "attribution", "includeCoAuthoredBy", "outputStyle", "language"} {
		if v, ok := all[name]; ok {
			out[name] = v
		}
	}
	if permissions, ok := out["permissions"].(map[string]any); ok {
		delete(permissions, "defaultMode")
	}
	if env, ok := out["env"].(map[string]any); ok {
		maps.DeleteFunc(env, func(name string, _ any) bool {
			return slices.ContainsFunc([]string{"ANTHROPIC_", "CLAUDE_", "LD_", "DYLD_", "BUN_", "NODE_OPTIONS", "MUSTER_"}, func(p string) bool {
				return strings.HasPrefix(name, p)
			})
		})
	}
	return out
}

// foreignServers returns the names of the servers in a worktree's .mcp.json that are not as in the content of another one.
func foreignServers(worktree string, began []byte) map[string]bool {
	servers := func(b []byte) map[string]any {
		var f struct {
			Servers map[string]any `json:"mcpServers"`
		}
		_ = json.Unmarshal(b, &f)
		return f.Servers
	}
	b, err := agent.ReadSetup(filepath.Join(worktree, projectMCP), maxFile)
	if err != nil {
		return nil
	}
	old, out := servers(began), map[string]bool{}
	for name, now := range servers(b) {
		if was, ok := old[name]; !ok || !reflect.DeepEqual(was, now) {
			out[name] = true
		}
	}
	return out
}
