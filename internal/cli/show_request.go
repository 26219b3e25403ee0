package cli

import (
	"fmt"

	"muster/internal/control"
	"muster/internal/event"
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
	for _, line := range words.Wants(r) {
		p.b.WriteString("  " + line + "\n")
	}
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
