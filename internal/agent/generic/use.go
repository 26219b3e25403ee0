package generic

import (
	"encoding/json"
	"strings"

	"muster/internal/event"
	"muster/internal/recipe"
)

// Use implements agent.Describer.
func (a adapter) Use(tool string, input []byte) event.ToolUse {
	r := a.described()
	class, ok := r.Tools[tool]
	if !ok {
		return event.ToolUse{Class: event.ToolOther}
	}
	var doc any
	_ = json.Unmarshal(input, &doc)
	use := event.ToolUse{Class: class}
	switch class {
	case event.ToolRun:
		use.Command = within(r, doc, "command")
	case event.ToolEdit, event.ToolRead:
		if p := within(r, doc, "path"); p != "" {
			use.Paths = []string{p}
		}
		if len(use.Paths) == 0 && class == event.ToolRead {
			use.Paths = []string{"."} // a search without a path is in the working directory
		}
	default: // its class and its name are all that rules know
	}
	return use
}

// within returns a field of a tool's input. The pointers to it are into the payload, where the input is at a pointer of its own.
func within(r event.Recipe, input any, field string) string {
	for _, p := range r.Fields[field] {
		for _, base := range r.Fields["input"] {
			if rest, ok := strings.CutPrefix(p, base+"/"); ok {
				if s := recipe.Text(input, "/"+rest); s != "" {
					return s
				}
			}
		}
	}
	return ""
}
