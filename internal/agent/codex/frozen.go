package codex

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"muster/internal/agent"
	"muster/internal/fault"
)

// A trusted project configures the agent by the directory .codex of its worktree, where the agent and everything that it runs can
// write: the file there can switch the hooks of muster off, allow commands, and name servers (measured with 0.171.0). If it is not as
// the task began with it, the worktree counts as untrusted, by which the agent reads nothing of it, and the configuration of the
// commit is handed over by flags.

const (
	projectDir    = ".codex"
	projectConfig = projectDir + "/config.toml"
)

// project is what a launch takes of the project's configuration.
type project struct {
	changed bool     // the worktree's differs from the one with which the task began
	flags   []string // values of -c, with which the latter is applied
}

// trust returns the word by which the agent reads or ignores the configuration of the worktree.
func (p project) trust() string {
	if p.changed {
		return "untrusted"
	}
	return "trusted"
}

// frozenProject compares the configuration in the worktree with the one with which the task began.
func frozenProject(l agent.Launch) (project, error) {
	if l.Base == nil {
		return project{}, nil
	}
	c, err := agent.ReadConfiguration(l, agent.Places{Compare: []string{projectDir}})
	if err != nil || !c.Changed {
		return project{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Began)) {
		if strings.HasPrefix(name, projectDir+"/rules/") || name == projectDir+"/hooks.json" {
			// They may forbid something, and no flag hands them over.
			return project{}, fault.New(fault.Conflict, "%s of the worktree is not as the task began with it, and %s could not be applied", projectDir, name).
				WithHint("Put it back in %s: git checkout %.12s -- %s. Or end the task.", l.Worktree, l.Spec.Base, projectDir)
		}
	}
	p := project{changed: true}
	all := map[string]any{}
	if err := toml.Unmarshal(c.Began[projectConfig], &all); err != nil {
		return project{}, fault.Wrap(fault.Conflict, err, "%s as the task began with it can't be read", projectConfig)
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if !slices.Contains(projectKeys, key) {
			continue
		}
		value, err := inline(all[key])
		if err != nil {
			return project{}, fmt.Errorf("hand over %s of %s: %w", key, projectConfig, err)
		}
		p.flags = append(p.flags, key+"="+value)
	}
	u, _ := readUser(l.Env) // Check has reported what cannot be read
	if _, chosen := all["approval_policy"]; !chosen && u.Approval == nil {
		p.flags = append(p.flags, `approval_policy="on-request"`) // as in a trusted directory
	}
	return p, nil
}

// projectKeys are the keys of a project's configuration that are handed over.
var projectKeys = []string{
	"approval_policy", "sandbox_mode", "sandbox_workspace_write", "shell_environment_policy", "mcp_servers", "model", "model_reasoning_effort",
	"model_reasoning_summary", "model_verbosity", "project_doc_max_bytes", "project_doc_fallback_filenames", "web_search", "tools", "tool_output_token_limit",
}

// inline returns a value as TOML without line breaks.
func inline(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return tomlString(v), nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case []any:
		out := make([]string, len(v))
		for i, e := range v {
			s, err := inline(e)
			if err != nil {
				return "", err
			}
			out[i] = s
		}
		return "[" + strings.Join(out, ",") + "]", nil
	case map[string]any:
		var out []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			s, err := inline(v[name])
			if err != nil {
				return "", err
			}
			out = append(out, tomlString(name)+"="+s)
		}
		return "{" + strings.Join(out, ",") + "}", nil
	}
	return "", errors.New("a value of another type than text, number, list or table")
}
