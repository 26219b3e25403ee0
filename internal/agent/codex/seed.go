package codex

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/pelletier/go-toml/v2"

	"muster/internal/agent"
)

// seededKeys are the keys of the user's config.toml that a fenced agent gets. Hooks, notifications and servers stay
// behind: they run programs outside the fence's list, and may hold secrets.
var seededKeys = []string{
	"model", "model_provider", "model_providers", "model_reasoning_effort", "model_reasoning_summary", "model_verbosity",
	"model_context_window", "model_auto_compact_token_limit", "service_tier", "personality", "web_search", "approval_policy", "developer_instructions",
	"project_doc_max_bytes", "project_doc_fallback_filenames",
}

// Seed implements agent.Seeder. The agent finds the user's model and provider, what the user told every agent, and the trust
// in this repository.
func (adapter) Seed(l agent.Launch, user []string) ([]agent.File, error) {
	from := configDir(user)
	path := filepath.Join(from, "config.toml")
	all := map[string]any{}
	b, err := agent.ReadSetup(path, maxFile)
	if err == nil {
		err = toml.Unmarshal(b, &all)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	kept := map[string]any{}
	for _, key := range seededKeys {
		if v, ok := all[key]; ok {
			kept[key] = v
		}
	}
	if isTrusted(l.Spec, user) {
		trusted := map[string]any{"trust_level": "trusted"}
		kept["projects"] = map[string]any{l.Spec.Repo: trusted, agent.RealPath(l.Worktree): trusted}
	}
	data, err := toml.Marshal(kept)
	if err != nil {
		return nil, fmt.Errorf("write the agent's configuration: %w", err)
	}
	files := []agent.File{{Path: "config.toml", Data: data, Mode: 0o600}}
	if memory, err := agent.ReadSetup(filepath.Join(from, "AGENTS.md"), maxFile); err == nil {
		files = append(files, agent.File{Path: "AGENTS.md", Data: memory, Mode: 0o600})
	}
	return files, nil
}
