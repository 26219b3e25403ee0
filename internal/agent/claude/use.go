package claude

import (
	"encoding/json"

	"muster/internal/agent"
	"muster/internal/event"
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

// needsDecision reports whether the agent must ask before the tool runs. Plans and questions ask in any case.
func (s *hookState) needsDecision() bool {
	class := classes[s.in.ToolName]
	return class != event.ToolPlan && class != event.ToolQuestion && agent.RuleDecides(s.Files, adapter{}, s.in.ToolName, s.in.ToolInput, s.Worktree)
}
