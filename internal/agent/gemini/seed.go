package gemini

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/regular"
	"muster/internal/text"
)

const (
	// hookName names muster's hooks in the settings.
	hookName = "muster"
	// hookTimeout is the limit of a hook that only writes a record.
	hookTimeout = 30 * time.Second
	// maxSeedFiles bounds the number of files that are copied of each directory of the user.
	maxSeedFiles = 500
)

// registered are the hooks that a launch registers. Each costs a process at each call.
var registered = []string{"SessionStart", "BeforeAgent", "BeforeTool", "AfterTool", "Notification", "AfterAgent", "SessionEnd"}

// fencedKeys are the settings of the user that a fenced agent gets. Hooks, servers and tools stay behind: they run programs
// outside the fence's list, and may hold secrets.
var fencedKeys = []string{"model", "modelConfigs", "context", "general", "ui"}

// Seed implements agent.Seeder. Nothing but settings in its home adds a hook to the agent, so each task has a home of its own. It
// has the user's settings with muster's, the user's instructions and muster's, and what the user lets the agent do.
func (adapter) Seed(l agent.Launch, user []string) ([]agent.File, error) {
	if !isTrusted(l.Spec, user) {
		return nil, fault.New(fault.Conflict, "agent %s: Gemini CLI has not been told to trust %s", l.Spec.Agent, l.Spec.Repo).
			WithHint("Run, and trust the folder: cd %s && gemini", text.Quote(l.Spec.Repo))
	}
	from := configDir(user)
	all := map[string]any{}
	if err := readJSON(filepath.Join(from, settingsName), &all); err != nil {
		return nil, err
	}
	if l.Spec.Fence != nil {
		for key := range all {
			if !slices.Contains(fencedKeys, key) {
				delete(all, key)
			}
		}
	}
	overlay(all, l)
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the agent's settings: %w", err)
	}
	memory, err := agent.ReadSetup(filepath.Join(from, "GEMINI.md"), maxFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the user's instructions: %w", err)
	}
	instructions := strings.TrimSpace(l.Preamble+"\n\n"+string(memory)) + "\n"
	files := []agent.File{
		{Path: filepath.Join(ownDir, settingsName), Data: data, Mode: 0o600},
		{Path: filepath.Join(ownDir, "GEMINI.md"), Data: []byte(instructions), Mode: 0o600},
	}
	for _, dir := range []string{"policies", "commands"} {
		entries, err := os.ReadDir(filepath.Join(from, dir))
		if err != nil {
			continue // there is none
		}
		for _, e := range entries[:min(len(entries), maxSeedFiles)] {
			b, err := regular.Read(filepath.Join(from, dir, e.Name()), maxFile)
			if err == nil && strings.HasSuffix(e.Name(), ".toml") {
				files = append(files, agent.File{Path: filepath.Join(ownDir, dir, e.Name()), Data: b, Mode: 0o600})
			}
		}
	}
	return files, nil
}

// overlay sets what muster needs in the user's settings.
func overlay(all map[string]any, l agent.Launch) {
	set := func(path string, value any) {
		at := all
		names := strings.Split(path, ".")
		for _, name := range names[:len(names)-1] {
			inner, ok := at[name].(map[string]any)
			if !ok {
				inner = map[string]any{}
				at[name] = inner
			}
			at = inner
		}
		at[names[len(names)-1]] = value
	}
	for path, value := range map[string]any{
		"security.auth.selectedType": "gemini-api-key", "security.disableYoloMode": false,
		"general.enableAutoUpdate": false, "general.enableAutoUpdateNotification": false, "general.vimMode": false,
		"general.sessionRetention.enabled": false, // a task may last longer
		"ide.enabled":                      false, "ide.hasSeenNudge": true,
		"tools.sandbox": false,
		// What the input looks like, see channel.Posture.
		"ui.hideFooter": false, "ui.footer": map[string]any{}, "ui.useAlternateBuffer": false, "ui.useBackgroundColor": true,
		"ui.escapePastedAtSymbols": false, "ui.errorVerbosity": "low", "ui.accessibility.screenReader": false,
		"context.fileFiltering.enableRecursiveFileSearch": false, // "@name" in a text would search the whole worktree
		"hooksConfig": map[string]any{"enabled": true, "notifications": false},
	} {
		set(path, value)
	}
	for _, name := range registered {
		hooks, _ := all["hooks"].(map[string]any)
		theirs, _ := hooks[name].([]any)
		set("hooks."+name, append([]any{hook(name, l)}, theirs...))
	}
}

// hook returns the definition of a hook. A shell outlives the one ahead of a tool, so that a hook that was killed refuses the tool.
func hook(name string, l agent.Launch) map[string]any {
	command := text.Quote(l.Exe) + " hook " + kind + " " + name
	if name == "BeforeTool" {
		command = parentVar + "=$PPID " + command + "; exit $?"
	}
	return map[string]any{"matcher": "*", "hooks": []any{map[string]any{
		"name": hookName, "type": "command", "command": command, "timeout": timeoutOf(name, l.Spec).Milliseconds(),
	}}}
}

func timeoutOf(name string, spec event.Spec) time.Duration {
	switch name {
	case "BeforeTool":
		return cmp.Or(spec.LongestWait(), agent.DefaultWait) + 2*agent.WaitGrace
	case "AfterTool":
		return agent.EditTimeout + hookTimeout
	}
	return hookTimeout
}
