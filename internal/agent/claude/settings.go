package claude

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
)

const (
	// hookTimeout bounds a hook that only writes a record.
	hookTimeout = 20 * time.Second
	// editTimeout bounds the checks after one edit, waiting for a slot included.
	editTimeout = 5 * time.Minute
	// waiterTimeout is the longest that the agent lets a waiter live; the next turn arms another.
	waiterTimeout = 24 * time.Hour
	// waitGrace is how long a hook outlasts the wait limit, so that the answer by default still gets through.
	waitGrace = 30 * time.Second
	// defaultWait is the wait limit of a spec that names none.
	defaultWait = 15 * time.Minute
)

// registered are the hooks that a launch registers: only names that the measured version knows, since an
// unknown one opens a dialog.
func registered() []string {
	return []string{
		"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure", "PermissionRequest",
		"Stop", "StopFailure", "SubagentStart", "SubagentStop", "PreCompact", "PostCompact", "SessionEnd",
	}
}

// wakers are the hooks that arm a waiter. The begin of a turn is among them since the message that woke the
// agent used its waiter up: without a new one nothing could get into a turn that a message began. The start of the
// program is not: a message that waited then would be taken before the task's own prompt.
func wakers() []string {
	return []string{"UserPromptSubmit", "Stop", "StopFailure"}
}

type hookEntry struct {
	Type          string   `json:"type"`
	Command       string   `json:"command"`
	Args          []string `json:"args"` // present: no shell in between, and our parent is the agent
	Timeout       int      `json:"timeout"`
	Async         bool     `json:"async,omitempty"`
	AsyncRewake   bool     `json:"asyncRewake,omitempty"`
	RewakeMessage string   `json:"rewakeMessage,omitempty"`
	RewakeSummary string   `json:"rewakeSummary,omitempty"`
}

type hookGroup struct {
	Hooks []hookEntry `json:"hooks"`
}

type permissionRules struct {
	Allow []string `json:"allow"`
}

type settingsFile struct {
	// DisableAllHooks is written out: the user's true would silence us, and ours overrides it.
	DisableAllHooks bool                   `json:"disableAllHooks"`
	Hooks           map[string][]hookGroup `json:"hooks"`
	Permissions     permissionRules        `json:"permissions"`
	SkipDangerous   bool                   `json:"skipDangerousModePermissionPrompt"`
	// AutoContinue is written out: after a usage limit muster wakes the agent, and a newer agent would wake itself as well.
	AutoContinue bool `json:"autoContinueAtUsageLimit"`
	// Suggestions are switched off: a suggested prompt stands in the input like a draft, and Enter sends it.
	Suggestions     bool     `json:"promptSuggestionEnabled"`
	EnabledServers  []string `json:"enabledMcpjsonServers,omitempty"`
	DisabledServers []string `json:"disabledMcpjsonServers,omitempty"`
}

// encodeSettings makes the settings of one generation.
func encodeSettings(l agent.Launch) ([]byte, error) {
	s := settingsFile{
		Hooks:         map[string][]hookGroup{},
		Permissions:   permissionRules{Allow: allowRules(l)},
		SkipDangerous: true,
	}
	for _, name := range registered() {
		h := hookEntry{
			Type: "command", Command: l.Exe, Args: []string{"hook", kind, name},
			Timeout: seconds(timeoutOf(name, l.Spec)),
		}
		s.Hooks[name] = []hookGroup{{Hooks: []hookEntry{h}}}
	}
	for _, name := range wakers() {
		s.Hooks[name][0].Hooks = append(s.Hooks[name][0].Hooks, hookEntry{
			Type: "command", Command: l.Exe, Args: []string{"hook", kind, waitEvent}, Timeout: seconds(waiterTimeout),
			Async: true, AsyncRewake: true,
			RewakeMessage: rewakeMessage,
			RewakeSummary: "message from muster",
		})
	}
	s.EnabledServers, s.DisabledServers = projectServers(l)
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	return append(b, '\n'), nil
}

func timeoutOf(name string, spec event.Spec) time.Duration {
	switch name {
	case "PermissionRequest":
		limit := spec.WaitLimit
		if limit <= 0 {
			limit = defaultWait
		}
		return limit + 2*waitGrace
	case "PostToolUse":
		return editTimeout + hookTimeout
	case "SessionEnd":
		return 5 * time.Second
	}
	return hookTimeout
}

func seconds(d time.Duration) int { return int(d.Round(time.Second).Seconds()) }

// allowRules are the permission rules that a first night needs: our own verbs for agents, the project's own
// checks, and to read the prompt file and what checks have said.
func allowRules(l agent.Launch) []string {
	var allow []string
	for _, verb := range []string{"check", "done", "ask", "note", "status"} {
		allow = append(allow, "Bash(muster "+verb+")", "Bash(muster "+verb+":*)")
	}
	for _, c := range l.Spec.Checks {
		if isSimple(c.Run) {
			allow = append(allow, "Bash("+c.Run+")")
		}
	}
	// What lies outside the worktree and is named to the agent. A second slash makes a path an absolute one.
	for _, path := range []string{
		agent.PromptPath(l), filepath.Join(l.Home.TaskDir(l.Task), "jobs", "**"), filepath.Join(l.Home.GenDir(l.Task, l.Gen), "checks", "**"),
	} {
		allow = append(allow, "Read(/"+path+")")
	}
	return allow
}

// isSimple reports whether a command is one program with plain words: only that can stand in a permission rule
// without meaning more than it says.
func isSimple(command string) bool {
	return command != "" && !strings.ContainsAny(command, ";&|<>$`()\\\"'*?{}[]!#~\n\r") && !strings.HasSuffix(command, ":")
}

// projectServers decides about the MCP servers of the project's own .mcp.json, each of which would open a
// dialog at the start: those that the user has approved for this repository run, the others do not.
func projectServers(l agent.Launch) (enabled, disabled []string) {
	names := mcpNames(l.Worktree)
	if len(names) == 0 {
		return nil, nil
	}
	approved := approvedServers(l)
	for _, name := range names {
		if approved.all || slices.Contains(approved.names, name) {
			enabled = append(enabled, name)
		} else {
			disabled = append(disabled, name)
		}
	}
	return enabled, disabled
}
