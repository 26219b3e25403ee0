package cli

import (
	"fmt"

	"muster/internal/event"
	"muster/internal/words"
)

// shownHash is the number of hash digits that are shown and that a person must give: 48 bits.
const shownHash = 12

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
