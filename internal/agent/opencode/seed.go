package opencode

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"muster/internal/agent"
	"muster/internal/regular"
)

// The bounds of what is copied of the user's configuration into a fenced agent's own.
const (
	maxSeedFiles = 500
	maxSeedBytes = 8 << 20
)

// seededDirs are the directories of the user's configuration that a fenced agent gets a copy of.
var seededDirs = []string{"agent", "agents", "command", "commands", "skill", "skills"}

// Seed implements agent.Seeder. The agent gets the login and the settings of the one provider that it needs. Plugins and
// servers of the user stay behind: they are programs outside the fence's list and may hold secrets.
func (adapter) Seed(l agent.Launch, user []string) ([]agent.File, error) {
	c, err := readConfig(user, l.Spec.Repo)
	if err != nil {
		return nil, err
	}
	model := l.Spec.Model
	if model == "" {
		model = c.Model
	}
	provider, _, _ := strings.Cut(model, "/")
	var files []agent.File
	if auth, ok := seedLogin(user, provider); ok {
		files = append(files, agent.File{Path: filepath.Join(kind, authName), Data: auth, Mode: 0o600})
	}
	from, to := userDir(user), filepath.Join(configDir, kind)
	for _, name := range []string{"config.json", "opencode.json", "opencode.jsonc"} {
		b, err := agent.ReadSetup(filepath.Join(from, name), maxFile)
		if err != nil {
			continue
		}
		data, err := seedConfig(b, provider)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", filepath.Join(from, name), err)
		}
		files = append(files, agent.File{Path: filepath.Join(to, name), Data: data, Mode: 0o600})
	}
	if b, err := agent.ReadSetup(filepath.Join(from, "AGENTS.md"), maxFile); err == nil {
		files = append(files, agent.File{Path: filepath.Join(to, "AGENTS.md"), Data: b, Mode: 0o600})
	}
	files = append(files, installed(to)...)
	for _, name := range seededDirs {
		if files, err = seedDir(files, filepath.Join(from, name), filepath.Join(to, name)); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// installed returns what makes the agent believe that its package for plugins is installed. Each first start would fetch it
// from the network, and only editors use it.
func installed(to string) []agent.File {
	return []agent.File{
		{Path: filepath.Join(to, "node_modules", ".package-lock.json"), Data: []byte("{}"), Mode: 0o600},
		{Path: filepath.Join(to, "package-lock.json"), Data: []byte(`{"packages":{"":{"dependencies":{"@opencode-ai/plugin":"*"}}}}`), Mode: 0o600},
	}
}

// seedLogin returns the file of logins with the API key of one provider. A program renews another sort of login when it uses
// it, so a copy would end the user's own.
func seedLogin(user []string, provider string) ([]byte, bool) {
	var all map[string]json.RawMessage
	b, err := agent.ReadSetup(filepath.Join(dataDir(user), authName), maxFile)
	if err != nil || json.Unmarshal(b, &all) != nil || provider == "" || readLogins(user)[provider].Type != "api" {
		return nil, false
	}
	out, err := json.Marshal(map[string]json.RawMessage{provider: all[provider]})
	return out, err == nil
}

// seedConfig returns a configuration without what names programs, and with one provider.
func seedConfig(b []byte, provider string) ([]byte, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(agent.PlainJSON(b), &all); err != nil {
		return nil, err
	}
	for _, name := range []string{"plugin", "mcp", "lsp", "formatter", "server", "experimental"} {
		delete(all, name)
	}
	var providers map[string]json.RawMessage
	if json.Unmarshal(all["provider"], &providers) == nil {
		kept := map[string]json.RawMessage{}
		if p, ok := providers[provider]; ok {
			kept[provider] = p
		}
		all["provider"], _ = json.Marshal(kept)
	}
	return json.Marshal(all)
}

// seedDir adds the regular files below a directory, without following links.
func seedDir(files []agent.File, from, to string) ([]agent.File, error) {
	size := 0
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // what the agent cannot read either
		}
		data, err := regular.Read(path, maxSeedBytes)
		if err != nil {
			return nil //nolint:nilerr // as above
		}
		if size += len(data); size > maxSeedBytes || len(files) >= maxSeedFiles {
			return fmt.Errorf("%s holds more than %d files or %d MiB, too much to copy for a fenced agent", from, maxSeedFiles, maxSeedBytes>>20)
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		files = append(files, agent.File{Path: filepath.Join(to, rel), Data: data, Mode: 0o600})
		return nil
	})
	if os.IsNotExist(err) {
		err = nil
	}
	return files, err
}
