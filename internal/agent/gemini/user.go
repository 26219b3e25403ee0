package gemini

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/regular"
)

// This file only reads the user's own set-up of the agent.

// maxFile bounds a configuration file, in bytes.
const maxFile = 4 << 20

const settingsName = "settings.json"

// configDir returns the directory of the agent's configuration and state.
func configDir(env []string) string {
	if d, ok := environ.Lookup(env, homeVar); ok && d != "" {
		return filepath.Join(d, ownDir)
	}
	h, _ := environ.Lookup(env, "HOME")
	return filepath.Join(h, ownDir)
}

// settings is the part of settings.json that is used here.
type settings struct {
	Model struct {
		Name string `json:"name"`
	} `json:"model"`
	General struct {
		Mode string `json:"defaultApprovalMode"`
	} `json:"general"`
	Security struct {
		FolderTrust struct {
			Enabled *bool `json:"enabled"`
		} `json:"folderTrust"`
		Auth struct {
			Selected string `json:"selectedType"`
		} `json:"auth"`
	} `json:"security"`
	Telemetry struct {
		Enabled *bool `json:"enabled"`
	} `json:"telemetry"`
}

// readSettings reads settings.json in a directory. A missing file is the zero value.
func readSettings(dir string) (s settings, err error) {
	err = readJSON(filepath.Join(dir, settingsName), &s)
	return s, err
}

// readJSON reads a file of JSON with comments into v. It leaves v as it is if there is no file.
func readJSON(path string, v any) error {
	b, err := agent.ReadSetup(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(agent.PlainJSON(b), v)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// isTrusted reports whether the user trusts the repository of a task: the checkout, or the main repository of a linked worktree.
// A worktree is trusted as its repository is.
func isTrusted(s event.Spec, env []string) bool {
	if s.Trust == "sandboxed" || environ.Get(env, "GEMINI_CLI_TRUST_WORKSPACE") == "true" {
		return true
	}
	own, err := readSettings(configDir(env))
	if err != nil {
		return false
	}
	if on := own.Security.FolderTrust.Enabled; on != nil && !*on {
		return true
	}
	path := filepath.Join(configDir(env), "trustedFolders.json")
	if moved, ok := environ.Lookup(env, "GEMINI_CLI_TRUSTED_FOLDERS_PATH"); ok && moved != "" {
		path = moved
	}
	folders := map[string]string{}
	if err := readJSON(path, &folders); err != nil {
		return false
	}
	for _, dir := range agent.Roots(s) {
		if trusts(folders, dir) {
			return true
		}
	}
	return false
}

// trusts reports whether the nearest answer for a directory or one above it is that it is trusted.
func trusts(folders map[string]string, dir string) bool {
	longest, trusted := -1, false
	for folder, answer := range folders {
		if answer == "TRUST_PARENT" {
			folder = filepath.Dir(folder)
		}
		if len(folder) > longest && (folder == dir || strings.HasPrefix(dir, strings.TrimSuffix(folder, "/")+"/")) {
			longest, trusted = len(folder), answer == "TRUST_FOLDER" || answer == "TRUST_PARENT"
		}
	}
	return trusted
}

// checkProject returns an error if the project's own settings switch the hooks off. An earlier agent may have written them.
func checkProject(spec event.Spec, dir string) error {
	var project struct {
		Hooks struct {
			Enabled  *bool    `json:"enabled"`
			Disabled []string `json:"disabled"`
		} `json:"hooksConfig"`
	}
	path := filepath.Join(dir, ownDir, settingsName)
	b, err := regular.Read(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(agent.PlainJSON(b), &project)
	}
	if err != nil {
		return fault.Wrap(fault.Conflict, err, "agent %s: the project's settings of Gemini CLI can't be read", spec.Agent).WithHint("Fix %s/%s", ownDir, settingsName)
	}
	off := project.Hooks.Enabled != nil && !*project.Hooks.Enabled
	for _, name := range project.Hooks.Disabled {
		off = off || strings.Contains(name, hookName)
	}
	if off {
		return fault.New(fault.Conflict, "agent %s: %s/%s in the project switches off the hooks that muster needs", spec.Agent, ownDir, settingsName).
			WithHint("Remove hooksConfig from %s/%s", ownDir, settingsName)
	}
	return nil
}
