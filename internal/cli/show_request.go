package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/text"
	"muster/internal/words"
)

// shownHash is the number of hash digits that are shown and that a person must give: 48 bits.
const shownHash = 12

// shownRequest is the complete request of an agent in `show --json`.
type shownRequest struct {
	control.Request
	Input     string           `json:"input"` // of the tool, as JSON
	Size      int              `json:"size"`  // of the whole input in bytes
	Hash      string           `json:"hash"`  // of tool, newline and whole input; `answer --hash` takes it
	Whole     bool             `json:"whole"` // if false, it can only be denied
	Questions []event.Question `json:"questions"`
}

// wholeRequest returns the open request for `show --json`; nil if there is none.
func wholeRequest(s *control.Request, r *event.RequestOpened) *shownRequest {
	if s == nil || r == nil {
		return nil
	}
	out := &shownRequest{Request: *s, Questions: []event.Question{}}
	if r.Reason == event.WaitQuestion {
		out.Questions = r.Questions()
	}
	if a := r.Ask; a != nil {
		out.Input, out.Size, out.Hash, out.Whole = a.Input, a.Size, a.Hash, !a.Cut
	}
	return out
}

// request prints all of an open request, with control characters shown.
func (p *page) request(r event.RequestOpened) {
	if r.Reason == event.WaitQuestion {
		p.questions(r.Questions())
		return
	}
	if r.Unjudged != "" {
		p.field("", "no rule decides it: "+clean(r.Unjudged, 100))
	}
	a := r.Ask
	if a == nil {
		return
	}
	tool := clean(r.Tool, 100)
	if tool == "" {
		tool = "a permission"
	}
	if a.Cut {
		fmt.Fprintf(&p.b, "  %s wants, not whole (the first of %d bytes):\n", tool, a.Size)
	} else {
		fmt.Fprintf(&p.b, "  %s wants:\n", tool)
	}
	for _, part := range inputParts(a.Input) {
		indent := "    "
		if part.name != "" {
			fmt.Fprintf(&p.b, "    %s:\n", text.Visible(part.name))
			indent += "  "
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(part.text, "\n"), "\n") {
			p.b.WriteString(indent + text.Visible(line) + "\n")
		}
	}
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

// questions prints questions with their options.
func (p *page) questions(questions []event.Question) {
	for i, q := range questions {
		if len(questions) > 1 {
			title := q.Text
			if q.Header != "" {
				title = q.Header + ": " + q.Text
			}
			if q.Multi {
				title += " (several may be chosen)"
			}
			p.field("", fmt.Sprintf("question %d: %s", i+1, title))
		}
		for n, o := range q.Options {
			line := fmt.Sprintf("%d  %s", n+1, o.Label)
			if o.Description != "" {
				line += ": " + o.Description
			}
			p.field("", line)
		}
	}
}

// requestLine returns a request in one line, without its options, which are listed below it.
func requestLine(r event.RequestOpened) string {
	r.Options = nil
	return words.Request(r)
}
