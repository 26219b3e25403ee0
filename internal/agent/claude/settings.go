package claude

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
)

const (
	// hookTimeout is the limit of a hook that only writes a record.
	hookTimeout = 20 * time.Second
	// waiterTimeout is the agent's longest limit for a waiter. The next turn starts another one.
	waiterTimeout = 24 * time.Hour
)

// registered returns the hooks that a launch registers. The oldest version knows all of them; an unknown name would open a
// dialog.
func registered() []string {
	return []string{
		"SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure", "PermissionRequest",
		"Stop", "StopFailure", "SubagentStart", "SubagentStop", "PreCompact", "PostCompact", "SessionEnd", "ConfigChange",
	}
}

// wakers returns the hooks that start a waiter. The start of a turn is one of them, because the message that woke the
// agent ended its waiter: without another one no message could reach that turn. The start of the program is not: a
// message that waits then would be taken before the task's own prompt.
func wakers() []string {
	return []string{"UserPromptSubmit", "Stop", "StopFailure"}
}

type hookEntry struct {
	Type          string   `json:"type"`
	Command       string   `json:"command"`
	Args          []string `json:"args"` // with args the agent uses no shell, so it is our parent process
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
	// DisableAllHooks is written explicitly: the user's true would disable our hooks, and ours overrides it.
	DisableAllHooks bool                   `json:"disableAllHooks"`
	Hooks           map[string][]hookGroup `json:"hooks"`
	Permissions     permissionRules        `json:"permissions"`
	SkipDangerous   bool                   `json:"skipDangerousModePermissionPrompt"`
	// AutoContinue is written explicitly: muster wakes the agent after a usage limit, and a newer version would also
	// wake itself.
	AutoContinue bool `json:"autoContinueAtUsageLimit"`
	// Suggestions are disabled: a suggested prompt in the input looks like a draft, and Enter sends it.
	Suggestions     bool     `json:"promptSuggestionEnabled"`
	EnabledServers  []string `json:"enabledMcpjsonServers,omitempty"`
	DisabledServers []string `json:"disabledMcpjsonServers,omitempty"`
	// Sandbox switches the agent's own sandbox off inside a fence, where it cannot start.
	Sandbox *sandboxSettings `json:"sandbox,omitempty"`
}

type sandboxSettings struct {
	Enabled bool `json:"enabled"`
}

// encodeSettings returns the settings of one generation as JSON.
func encodeSettings(l agent.Launch, project projectConfiguration) ([]byte, error) {
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
	s.EnabledServers, s.DisabledServers = projectServers(l, project)
	if l.Spec.Fence != nil {
		s.Sandbox = &sandboxSettings{Enabled: false}
	}
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	return project.under(b)
}

func timeoutOf(name string, spec event.Spec) time.Duration {
	switch name {
	case "PermissionRequest":
		limit := spec.LongestWait()
		if limit <= 0 {
			limit = agent.DefaultWait
		}
		return limit + 2*agent.WaitGrace
	case "PostToolUse":
		return agent.EditTimeout + hookTimeout
	case "SessionEnd":
		return 5 * time.Second
	}
	return hookTimeout
}

func seconds(d time.Duration) int { return int(d.Round(time.Second).Seconds()) }

// allowRules returns the permission rules that every task needs: for muster's verbs for agents, for the project's own
// checks, and for reading the prompt file and the output of checks.
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
	// Files outside the worktree that the agent is told of. A second slash makes the path absolute.
	for _, path := range []string{
		agent.PromptPath(l), filepath.Join(l.Home.TaskJobsDir(l.Task), "**", "*.log"), filepath.Join(l.Dirs().RW(), "checks", "**"),
	} {
		allow = append(allow, "Read(/"+path+")")
	}
	return allow
}

// isSimple reports whether a command is one program with plain words. Only such a command can be a permission rule
// that allows nothing more.
func isSimple(command string) bool {
	return agent.IsSimple(command) && !strings.HasSuffix(command, ":")
}

// projectServers decides about the MCP servers of the project's .mcp.json, each of which would open a dialog at the
// start. Servers that the user has approved for this repository are enabled, the others are disabled, and so are those that are
// not as they were when the task began.
func projectServers(l agent.Launch, project projectConfiguration) (enabled, disabled []string) {
	names := mcpNames(l.Worktree)
	if len(names) == 0 {
		return nil, nil
	}
	approved := approvedServers(l)
	for _, name := range names {
		if !project.foreign[name] && approved.allows(name) {
			enabled = append(enabled, name)
		} else {
			disabled = append(disabled, name)
		}
	}
	return enabled, disabled
}
