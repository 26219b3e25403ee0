package claude

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/agent"
	"muster/internal/fault"
)

// An unknown name of a hook event in any settings file opens the dialog "Settings Warning" before the first hook. The dialog
// lists the names that its version knows, which is where these lists come from.

// knownEvents are the names that version 2.1.197 knows.
var knownEvents = strings.Fields(`PreToolUse PostToolUse PostToolUseFailure PostToolBatch Notification UserPromptSubmit UserPromptExpansion
	SessionStart SessionEnd Stop StopFailure SubagentStart SubagentStop PreCompact PostCompact PermissionRequest PermissionDenied Setup
	TeammateIdle TaskCreated TaskCompleted Elicitation ElicitationResult ConfigChange WorktreeCreate WorktreeRemove InstructionsLoaded
	CwdChanged FileChanged MessageDisplay`)

// laterEvents are the names that version 2.1.332 knows besides.
var laterEvents = strings.Fields(`PreModelSwitch PostModelSwitch DirectoryAdded PreSkillShellCommand`)

// newestMeasured is the newest version whose names are known. Of a later one only the screen tells which it does not know.
var newestMeasured = [3]int{2, 1, 332}

// knowsEvent reports whether a version may know a hook event.
func knowsEvent(version [3]int, name string) bool {
	switch {
	case slices.Contains(knownEvents, name), slices.Compare(version[:], newestMeasured[:]) > 0:
		return true
	case version == oldestVersion:
		return false
	}
	return slices.Contains(laterEvents, name)
}

// checkEvents returns an error if the agent would stop at a hook event in settings that its version does not know.
func checkEvents(ctx context.Context, p agent.Preflight, env []string, version [3]int) error {
	for _, s := range startSettings(ctx, p, env) {
		var settings struct {
			Hooks map[string]json.RawMessage `json:"hooks"`
		}
		if json.Unmarshal(s.content, &settings) != nil {
			continue // another check's
		}
		for _, name := range slices.Sorted(maps.Keys(settings.Hooks)) {
			if !knowsEvent(version, name) {
				return fault.New(fault.Conflict, "agent %s: Claude Code %d.%d.%d does not know the hook event %q of %s, and would stop at it",
					p.Spec.Agent, version[0], version[1], version[2], name, s.name).WithHint("Remove it from hooks there, or run: claude update")
			}
		}
	}
	return nil
}

// namedSettings is a settings file that the agent reads at its start.
type namedSettings struct {
	name    string
	content []byte
}

// startSettings returns the settings that an agent will find in a new worktree: the administrator's, the user's, and those of
// the base and of the copied files.
func startSettings(ctx context.Context, p agent.Preflight, env []string) []namedSettings {
	const project, local = ".claude/settings.json", ".claude/settings.local.json"
	var out []namedSettings
	paths := []string{managedSettings(), filepath.Join(configDir(env), "settings.json")}
	for _, name := range p.Spec.Copy {
		if name == project || name == local {
			paths = append(paths, filepath.Join(p.Spec.Repo, name))
		}
	}
	if p.Base == nil {
		paths = append(paths, filepath.Join(p.Spec.Repo, project))
	} else if files, err := p.Base(ctx, project, local); err == nil {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			out = append(out, namedSettings{name + " in " + cmp.Or(p.Spec.Base, "the base"), files[name]})
		}
	}
	for _, path := range paths {
		if b, err := agent.ReadSetup(path, maxFile); err == nil {
			out = append(out, namedSettings{path, b})
		}
	}
	return out
}
