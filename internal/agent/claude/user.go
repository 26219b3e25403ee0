package claude

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/agent"
	"muster/internal/environ"
)

// This file only reads the user's own set-up of the agent.

// configDir returns the directory of the agent's state.
func configDir(env []string) string {
	if d, ok := environ.Lookup(env, "CLAUDE_CONFIG_DIR"); ok && d != "" {
		return d
	}
	h, _ := environ.Lookup(env, "HOME")
	return filepath.Join(h, ".claude")
}

// userFile returns the path of the agent's global file: beside its default directory, or inside of a chosen one.
func userFile(env []string) string {
	if d, ok := environ.Lookup(env, "CLAUDE_CONFIG_DIR"); ok && d != "" {
		return filepath.Join(d, ".claude.json")
	}
	h, _ := environ.Lookup(env, "HOME")
	return filepath.Join(h, ".claude.json")
}

// userConfig is the part of the global file that is used here.
type userConfig struct {
	HasCompletedOnboarding bool `json:"hasCompletedOnboarding"`
	CustomAPIKeyResponses  struct {
		Approved []string `json:"approved"`
	} `json:"customApiKeyResponses"`
	Projects map[string]projectConfig `json:"projects"`
}

type projectConfig struct {
	HasTrustDialogAccepted bool     `json:"hasTrustDialogAccepted"`
	EnabledServers         []string `json:"enabledMcpjsonServers"`
	DisabledServers        []string `json:"disabledMcpjsonServers"`
	ImportsApproved        bool     `json:"hasClaudeMdExternalIncludesApproved"`
	ImportsShown           bool     `json:"hasClaudeMdExternalIncludesWarningShown"` // the question was answered, be it by no
}

// maxFile bounds a configuration file, in bytes. The global one contains the agent's history.
const maxFile = 64 << 20

// readUser reads the global file. It returns fs.ErrNotExist if there is none. The agent replaces the file by rename.
func readUser(env []string) (userConfig, error) {
	var u userConfig
	b, err := agent.ReadSetup(userFile(env), maxFile)
	if err != nil {
		return u, fmt.Errorf("read the agent's configuration: %w", err)
	}
	if err := json.Unmarshal(b, &u); err != nil {
		return u, fmt.Errorf("read %s: %w", userFile(env), err)
	}
	return u, nil
}

// settingsLayer is the part of a settings file that is used here.
type settingsLayer struct {
	DisableAllHooks       bool     `json:"disableAllHooks"`
	AllowManagedHooksOnly bool     `json:"allowManagedHooksOnly"`
	EnableAllServers      bool     `json:"enableAllProjectMcpServers"`
	EnabledServers        []string `json:"enabledMcpjsonServers"`
	DisabledServers       []string `json:"disabledMcpjsonServers"`
}

// readLayer reads a settings file. A missing or empty one is the zero layer.
func readLayer(path string) (settingsLayer, error) {
	var l settingsLayer
	b, err := agent.ReadSetup(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(strings.TrimSpace(string(b))) == 0 {
		return l, nil
	}
	if err != nil {
		return l, fmt.Errorf("read settings: %w", err)
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(b, &l); errors.As(err, &syntax) {
		return l, fmt.Errorf("read %s: %w", path, err)
	}
	return l, nil // a field of an unexpected type is left to the agent
}

// settingsLayers returns the paths of the user's settings file and then those of the project's.
func settingsLayers(env []string, checkout string) []string {
	return []string{
		filepath.Join(configDir(env), "settings.json"),
		filepath.Join(checkout, ".claude", "settings.json"),
		filepath.Join(checkout, ".claude", "settings.local.json"),
	}
}

// trusted reports whether the agent will accept a worktree without asking. Like the agent it checks the root of the
// main repository and, if above is set, the worktree with all directories above it.
func trusted(u userConfig, checkout, worktree string, above bool) bool {
	if root, err := mainRoot(checkout); err == nil && u.Projects[root].HasTrustDialogAccepted {
		return true
	}
	if !above {
		return false
	}
	for dir := agent.RealPath(worktree); ; dir = filepath.Dir(dir) {
		if u.Projects[dir].HasTrustDialogAccepted {
			return true
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}

// mainRoot returns the root of the main worktree. checkout may be a linked worktree or a directory within.
func mainRoot(checkout string) (string, error) {
	dir := agent.RealPath(checkout)
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			return "", fs.ErrNotExist
		}
		dir = filepath.Dir(dir)
	}
	link, err := agent.ReadSetup(filepath.Join(dir, ".git"), maxFile)
	if err != nil {
		return dir, nil //nolint:nilerr // a directory: this is the main one
	}
	gitdir, ok := strings.CutPrefix(strings.TrimSpace(string(link)), "gitdir: ")
	if !ok {
		return dir, nil
	}
	gitdir = under(dir, gitdir)
	common, err := agent.ReadSetup(filepath.Join(gitdir, "commondir"), maxFile)
	if err != nil {
		return dir, nil //nolint:nilerr // a submodule: a root of its own
	}
	shared := under(gitdir, strings.TrimSpace(string(common)))
	if filepath.Base(shared) != ".git" {
		return dir, nil // a bare repository has no main worktree
	}
	return agent.RealPath(filepath.Dir(shared)), nil
}

func under(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// mcpNames returns the servers that a checkout's .mcp.json declares, sorted.
func mcpNames(checkout string) []string {
	var f struct {
		Servers map[string]json.RawMessage `json:"mcpServers"`
	}
	b, err := agent.ReadSetup(filepath.Join(checkout, ".mcp.json"), maxFile)
	if err != nil || json.Unmarshal(b, &f) != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(f.Servers))
}

type serverApproval struct {
	all     bool
	names   []string
	refused []string // whatever else says
}

// allows reports whether the user lets a server start.
func (a serverApproval) allows(name string) bool {
	return !slices.Contains(a.refused, name) && (a.all || slices.Contains(a.names, name))
}

// approvedServers returns the servers that the user has approved, in settings or in the agent's dialog. The project's
// committed settings are not read: the project would approve itself.
func approvedServers(l agent.Launch) serverApproval {
	var a serverApproval
	for _, path := range []string{
		filepath.Join(configDir(l.Env), "settings.json"),
		filepath.Join(l.Spec.Repo, ".claude", "settings.local.json"),
	} {
		if layer, err := readLayer(path); err == nil {
			a.all = a.all || layer.EnableAllServers
			a.names, a.refused = append(a.names, layer.EnabledServers...), append(a.refused, layer.DisabledServers...)
		}
	}
	if u, err := readUser(l.Env); err == nil {
		dirs := []string{agent.RealPath(l.Spec.Repo)}
		if root, err := mainRoot(l.Spec.Repo); err == nil {
			dirs = append(dirs, root)
		}
		for _, dir := range dirs {
			p := u.Projects[dir]
			a.names, a.refused = append(a.names, p.EnabledServers...), append(a.refused, p.DisabledServers...)
		}
	}
	return a
}
