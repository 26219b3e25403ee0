package codex

import (
	"encoding/json"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/text"
)

// patchedFile matches the lines of a patch that name a file.
var patchedFile = text.Pattern(`(?m)^\*\*\* (?:(?:Add|Update|Delete) File|Move to): (.+?)[ \t\r]*$`)

// Use implements agent.Describer.
func (adapter) Use(tool string, input []byte) event.ToolUse {
	if name := agent.MCPName("mcp__", tool); name != "" {
		return event.ToolUse{Class: event.ToolMCP, Names: []string{name}}
	}
	var in struct {
		Command string `json:"command"`
	}
	_ = json.Unmarshal(input, &in)
	switch tool {
	case shellTool:
		return event.ToolUse{Class: event.ToolRun, Command: in.Command}
	case patchTool:
		use := event.ToolUse{Class: event.ToolEdit}
		for _, m := range patchedFile().FindAllStringSubmatch(in.Command, -1) {
			use.Paths = append(use.Paths, m[1])
		}
		return use
	}
	return event.ToolUse{Class: event.ToolOther}
}
