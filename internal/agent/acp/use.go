package acp

import (
	"encoding/json"
	"slices"
	"strings"

	"muster/internal/event"
	"muster/internal/text"
)

// classes are what the kinds of tools of the protocol mean for rules. Those that think or switch a mode are other.
var classes = map[string]event.ToolClass{
	"execute": event.ToolRun, "edit": event.ToolEdit, "delete": event.ToolEdit, "move": event.ToolEdit,
	"read": event.ToolRead, "search": event.ToolRead, "fetch": event.ToolFetch,
}

// asked is what a person sees of a request for a permission, and what rules judge.
type asked struct {
	Kind  string          `json:"kind,omitempty"`
	Title string          `json:"title,omitempty"`
	Input json.RawMessage `json:"input,omitempty"`
	Paths []string        `json:"paths,omitempty"`
}

// asked returns what is known of the use of a tool.
func (c toolCall) asked() asked {
	a := asked{Kind: c.Kind, Title: c.Title, Input: c.Input}
	for _, l := range c.Locations {
		if l.Path != "" && !slices.Contains(a.Paths, l.Path) {
			a.Paths = append(a.Paths, l.Path)
		}
	}
	return a
}

// command returns the command line of a tool that runs one; "" if the agent does not say it.
func (a asked) command() string {
	var in struct {
		Command json.RawMessage `json:"command"`
		Cmd     json.RawMessage `json:"cmd"`
	}
	_ = json.Unmarshal(a.Input, &in)
	for _, raw := range []json.RawMessage{in.Command, in.Cmd} {
		var line string
		if json.Unmarshal(raw, &line) == nil && line != "" {
			return line
		}
		var words []string
		if json.Unmarshal(raw, &words) == nil && len(words) > 0 {
			return text.Command(words)
		}
	}
	return ""
}

// files returns the files of a tool: those that the agent locates, and the one that its input names.
func (a asked) files() []string {
	var in map[string]json.RawMessage
	_ = json.Unmarshal(a.Input, &in)
	paths := slices.Clone(a.Paths)
	for _, name := range []string{"path", "file_path", "filePath", "filepath", "abs_path", "absolute_path"} {
		var p string
		if json.Unmarshal(in[name], &p) == nil && p != "" && !slices.Contains(paths, p) {
			paths = append(paths, p)
		}
	}
	return paths
}

// Use implements agent.Describer. The input is what the program made of the agent's request.
func (adapter) Use(_ string, input []byte) event.ToolUse {
	var a asked
	_ = json.Unmarshal(input, &a)
	class, ok := classes[a.Kind]
	if !ok {
		return event.ToolUse{Class: event.ToolOther}
	}
	use := event.ToolUse{Class: class}
	switch class {
	case event.ToolRun:
		use.Command = a.command()
	case event.ToolEdit, event.ToolRead:
		use.Paths = a.files()
		if len(use.Paths) == 0 && class == event.ToolRead {
			use.Paths = []string{"."} // a search without a path is in the working directory
		}
	default: // its class and its name are all that rules know
	}
	return use
}

func lower(s string) string { return strings.ToLower(s) }
