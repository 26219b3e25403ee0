package claude

import (
	"encoding/json"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/permit"
)

// classes are what the agent's tools do. Tools of MCP servers have other names.
var classes = map[string]event.ToolClass{
	"Bash": event.ToolRun, "Edit": event.ToolEdit, "Write": event.ToolEdit, "MultiEdit": event.ToolEdit, "NotebookEdit": event.ToolEdit,
	"Read": event.ToolRead, "Glob": event.ToolRead, "Grep": event.ToolRead, "LS": event.ToolRead, "NotebookRead": event.ToolRead,
	"WebFetch": event.ToolFetch, "WebSearch": event.ToolFetch, "ExitPlanMode": event.ToolPlan, "AskUserQuestion": event.ToolQuestion,
}

// Use implements agent.Describer.
func (adapter) Use(tool string, input []byte) event.ToolUse {
	if name := agent.MCPName("mcp__", tool); name != "" {
		return event.ToolUse{Class: event.ToolMCP, Names: []string{name}}
	}
	class, ok := classes[tool]
	if !ok {
		return event.ToolUse{Class: event.ToolOther}
	}
	var in struct {
		Command  string `json:"command"`
		File     string `json:"file_path"`
		Notebook string `json:"notebook_path"`
		Path     string `json:"path"`
	}
	_ = json.Unmarshal(input, &in)
	use := event.ToolUse{Class: class}
	switch class {
	case event.ToolRun:
		use.Command = in.Command
	case event.ToolEdit, event.ToolRead:
		for _, p := range []string{in.File, in.Notebook, in.Path} {
			if p != "" {
				use.Paths = append(use.Paths, p)
			}
		}
		if len(use.Paths) == 0 && class == event.ToolRead {
			use.Paths = []string{"."} // a search without a path is in the working directory
		}
	default: // its class and its name are all that rules know
	}
	return use
}

// needsDecision reports whether a rule denies the use of the tool or asks a person, although the agent's own settings may
// allow it. The dialog that then opens is decided by the supervisor, which has the rules itself.
func (s *hookState) needsDecision() bool {
	rules := agent.Rules(s.files)
	if len(rules) == 0 {
		return false
	}
	use := agent.Describe(adapter{}, s.in.ToolName, s.in.ToolInput, s.worktree)
	if use.Class == event.ToolPlan || use.Class == event.ToolQuestion {
		return false // they ask in any case
	}
	v := permit.Judge(rules, use)
	return v.Why == "" && (v.Action == event.PermissionDeny || v.Action == event.PermissionAsk)
}
