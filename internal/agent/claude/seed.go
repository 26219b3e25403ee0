package claude

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"muster/internal/agent"
)

// The bounds of what is copied of the user's configuration into a fenced agent's own.
const (
	maxSeedFiles = 2000
	maxSeedBytes = 16 << 20
)

// seededDirs are the directories of the user's configuration that a fenced agent gets a copy of.
var seededDirs = []string{"agents", "commands", "skills", "output-styles"}

// Seed implements agent.Seeder. The agent finds what the user has answered: that it was set up, that it may use the key, and
// that the repository is trusted. Hooks of the user stay behind, since they run programs outside the fence's list, and so do
// servers that the user added for all projects, whose programs may hold secrets.
func (adapter) Seed(l agent.Launch, user []string) ([]agent.File, error) {
	global, err := seedGlobal(l, user)
	if err != nil {
		return nil, err
	}
	files := []agent.File{global}
	from := configDir(user)
	settings, err := seedSettings(filepath.Join(from, "settings.json"))
	if err != nil {
		return nil, err
	}
	if settings != nil {
		files = append(files, agent.File{Path: "settings.json", Data: settings, Mode: 0o600})
	}
	if memory, err := agent.ReadSetup(filepath.Join(from, "CLAUDE.md"), maxFile); err == nil {
		files = append(files, agent.File{Path: "CLAUDE.md", Data: memory, Mode: 0o600})
	}
	for _, name := range seededDirs {
		copied, err := seedDir(filepath.Join(from, name), name)
		if err != nil {
			return nil, err
		}
		files = append(files, copied...)
	}
	return files, nil
}

// seedGlobal returns the agent's global file with what the user has answered, and nothing of the history.
func seedGlobal(l agent.Launch, user []string) (agent.File, error) {
	var whole struct {
		HasCompletedOnboarding bool                       `json:"hasCompletedOnboarding"`
		LastOnboardingVersion  string                     `json:"lastOnboardingVersion,omitempty"`
		Theme                  string                     `json:"theme,omitempty"`
		CustomAPIKeyResponses  json.RawMessage            `json:"customApiKeyResponses,omitempty"`
		Projects               map[string]json.RawMessage `json:"projects"`
	}
	b, err := agent.ReadSetup(userFile(user), maxFile)
	if err == nil {
		err = json.Unmarshal(b, &whole)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return agent.File{}, fmt.Errorf("read the agent's configuration: %w", err)
	}
	// Only the answers for this repository and the directories above its worktree.
	wanted := map[string]json.RawMessage{}
	take := func(dir string) {
		if p, ok := whole.Projects[dir]; ok {
			wanted[dir] = answers(p)
		}
	}
	take(agent.RealPath(l.Spec.Repo))
	if root, err := mainRoot(l.Spec.Repo); err == nil {
		take(root)
	}
	for dir := agent.RealPath(l.Worktree); ; dir = filepath.Dir(dir) {
		take(dir)
		if dir == filepath.Dir(dir) {
			break
		}
	}
	whole.Projects = wanted
	data, err := json.Marshal(whole)
	return agent.File{Path: ".claude.json", Data: data, Mode: 0o600}, err
}

// answers returns what a user has answered about a project, without its history and its servers' settings.
func answers(project json.RawMessage) json.RawMessage {
	var all map[string]json.RawMessage
	if json.Unmarshal(project, &all) != nil {
		return json.RawMessage("{}")
	}
	kept := map[string]json.RawMessage{}
	for _, name := range []string{
		"hasTrustDialogAccepted", "hasCompletedProjectOnboarding", "enabledMcpjsonServers", "disabledMcpjsonServers", "allowedTools",
		"hasClaudeMdExternalIncludesApproved", "hasClaudeMdExternalIncludesWarningShown",
	} {
		if v, ok := all[name]; ok {
			kept[name] = v
		}
	}
	b, err := json.Marshal(kept)
	if err != nil {
		return json.RawMessage("{}")
	}
	return b
}

// seedSettings returns the user's settings without hooks and without the agent's own sandbox, which cannot start inside the
// fence; nil if there are none.
func seedSettings(path string) ([]byte, error) {
	b, err := agent.ReadSetup(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var settings map[string]json.RawMessage
	if err == nil && len(b) > 0 {
		err = json.Unmarshal(b, &settings)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	for _, name := range []string{"hooks", "sandbox", "statusLine", "apiKeyHelper"} { // the last two name programs of the user
		delete(settings, name)
	}
	return json.Marshal(settings)
}

// seedDir returns the regular files below a directory, following links. A file that cannot be read is left out.
func seedDir(from, to string) ([]agent.File, error) {
	var files []agent.File
	size := 0
	var walk func(from, to string, depth int) error
	walk = func(from, to string, depth int) error {
		entries, err := os.ReadDir(from)
		if err != nil || depth > 8 {
			return nil //nolint:nilerr // what the agent cannot read either
		}
		for _, e := range entries {
			path, name := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
			st, err := os.Stat(path)
			switch {
			case err != nil:
			case st.IsDir():
				if err := walk(path, name, depth+1); err != nil {
					return err
				}
			case st.Mode().IsRegular():
				data, err := agent.ReadSetup(path, maxSeedBytes)
				if err != nil {
					continue
				}
				if size += len(data); size > maxSeedBytes || len(files) >= maxSeedFiles {
					return fmt.Errorf("%s holds more than %d files or %d MiB, too much to copy for a fenced agent", from, maxSeedFiles, maxSeedBytes>>20)
				}
				files = append(files, agent.File{Path: name, Data: data, Mode: 0o600 | st.Mode().Perm()&0o100})
			}
		}
		return nil
	}
	return files, walk(from, to, 0)
}
