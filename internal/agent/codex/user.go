package codex

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pelletier/go-toml/v2"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/event"
)

// This file only reads the user's own set-up of the agent.

// maxFile bounds a configuration file, in bytes.
const maxFile = 16 << 20

// configDir returns the directory of the agent's configuration and state.
func configDir(env []string) string {
	if d, ok := environ.Lookup(env, homeVar); ok && d != "" {
		return d
	}
	h, _ := environ.Lookup(env, "HOME")
	return filepath.Join(h, ".codex")
}

// userConfig is the part of config.toml that is used here.
type userConfig struct {
	Provider     string `toml:"model_provider"`
	Store        string `toml:"cli_auth_credentials_store"` // of the login: "file" if it is not set
	Instructions string `toml:"developer_instructions"`
	Approval     any    `toml:"approval_policy"`
	Providers    map[string]struct {
		EnvKey       string `toml:"env_key"`
		RequiresAuth bool   `toml:"requires_openai_auth"`
	} `toml:"model_providers"`
	Projects map[string]struct {
		Trust string `toml:"trust_level"`
	} `toml:"projects"`
	Features struct {
		Hooks *bool `toml:"hooks"`
	} `toml:"features"`
}

// readUser reads config.toml. A missing file is the zero value.
func readUser(env []string) (userConfig, error) {
	var u userConfig
	path := filepath.Join(configDir(env), "config.toml")
	b, err := agent.ReadSetup(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return u, nil
	}
	if err == nil {
		err = toml.Unmarshal(b, &u)
	}
	if err != nil {
		return u, fmt.Errorf("read %s: %w", path, err)
	}
	return u, nil
}

// isTrusted reports whether the user trusts the repository of a task: the checkout, or the main repository of a linked
// worktree. A worktree is trusted as its repository is.
func isTrusted(s event.Spec, env []string) bool {
	if s.Trust == "sandboxed" {
		return true
	}
	u, err := readUser(env)
	if err != nil {
		return false
	}
	for _, dir := range agent.Roots(s) {
		if u.Projects[dir].Trust == "trusted" {
			return true
		}
	}
	return false
}

// hasLogin reports whether the user has logged in; it does not read the credential.
func hasLogin(env []string) bool {
	st, err := os.Stat(filepath.Join(configDir(env), "auth.json"))
	return err == nil && st.Size() > 0
}
