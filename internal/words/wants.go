package words

import (
	"encoding/json"
	"fmt"
	"strings"

	"muster/internal/event"
	"muster/internal/text"
)

// maxTool is the maximum length of the name of a tool in bytes.
const maxTool = 100

// Wants returns all of a permission request in lines, with control characters shown: what no rule decided and why, the tool,
// and its whole input. It returns nil for other requests, and for one whose input is not known.
func Wants(r event.RequestOpened) []string {
	var out []string
	if r.Reason == event.WaitQuestion {
		return nil
	}
	if r.Unjudged != "" {
		out = append(out, "no rule decides it: "+text.Field(r.Unjudged, maxTool))
	}
	a := r.Ask
	if a == nil {
		return out
	}
	tool := text.Field(r.Tool, maxTool)
	if tool == "" {
		tool = "a permission"
	}
	if a.Cut {
		out = append(out, fmt.Sprintf("%s wants, not whole (the first of %d bytes):", tool, a.Size))
	} else {
		out = append(out, tool+" wants:")
	}
	for _, part := range inputParts(a.Input) {
		indent := "  "
		if part.name != "" {
			out = append(out, indent+text.Visible(part.name)+":")
			indent += "  "
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(part.text, "\n"), "\n") {
			out = append(out, indent+text.Visible(line))
		}
	}
	return out
}

// inputPart is one field of a tool's input.
type inputPart struct{ name, text string }

// inputParts returns the fields of an input in order: texts unchanged, other values as JSON. An input that is
// incomplete or not an object is one part without a name.
func inputParts(input string) []inputPart {
	d := json.NewDecoder(strings.NewReader(input))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return []inputPart{{text: input}}
	}
	var out []inputPart
	for d.More() {
		name, err := d.Token()
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			return []inputPart{{text: input}}
		}
		part := inputPart{name: fmt.Sprint(name), text: string(value)}
		var s string
		if json.Unmarshal(value, &s) == nil {
			part.text = s
		}
		out = append(out, part)
	}
	if _, err := d.Token(); err != nil || d.More() {
		return []inputPart{{text: input}}
	}
	return out
}
