package opencode

import (
	"encoding/json"

	"muster/internal/event"
)

// classes are what the agent asks a permission for. A tool of an MCP server has a name of its own that does not show the
// server, and a directory outside of the worktree is asked for by tools of several classes: both are other.
var classes = map[string]event.ToolClass{
	"bash": event.ToolRun, "edit": event.ToolEdit, "read": event.ToolRead, "glob": event.ToolRead, "grep": event.ToolRead, "list": event.ToolRead,
	"webfetch": event.ToolFetch, "websearch": event.ToolFetch, "codesearch": event.ToolFetch, "question": event.ToolQuestion,
}

// Use implements agent.Describer. The input is what the hook made of the agent's request.
func (adapter) Use(tool string, input []byte) event.ToolUse {
	class, ok := classes[tool]
	if !ok {
		return event.ToolUse{Class: event.ToolOther}
	}
	var in struct {
		Patterns []string `json:"patterns"`
		Metadata struct {
			Command string `json:"command"`
			Path    string `json:"path"`
		} `json:"metadata"`
	}
	_ = json.Unmarshal(input, &in)
	use := event.ToolUse{Class: class}
	switch tool {
	case "bash":
		use.Command = in.Metadata.Command
	case "edit", "read":
		use.Paths = in.Patterns // files, relative to the worktree
	case "glob", "grep", "list": // their patterns are not files
		use.Paths = []string{"."}
		if in.Metadata.Path != "" {
			use.Paths = []string{in.Metadata.Path}
		}
	default: // its class and its name are all that rules know
	}
	return use
}
