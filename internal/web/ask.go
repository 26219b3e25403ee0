package web

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/text"
	"muster/internal/words"
)

// mostAsked is how much of a request stands in the list, in lines. A longer one is read, and decided, on the page of its task.
const mostAsked = 30

// requests remembers the whole requests of tasks, which the list of tasks does not have.
type requests struct {
	mu  sync.Mutex
	all map[event.TaskID]remembered
}

type remembered struct {
	id      string
	changed string
	request *event.RequestOpened
}

// request returns the whole open request of a task; nil if it is not open any more.
func (s *Server) request(ctx context.Context, t *control.Summary) *event.RequestOpened {
	if t.Request == nil {
		return nil
	}
	changed := ""
	if t.ChangedAt != nil {
		changed = t.ChangedAt.String()
	}
	s.asked.mu.Lock()
	r, known := s.asked.all[t.ID]
	s.asked.mu.Unlock()
	if known && r.id == t.Request.ID && r.changed == changed {
		return r.request
	}
	of, err := control.Get(ctx, s.o.Control, control.One{Ref: string(t.ID)})
	if err != nil || of.Request == nil || of.Request.Request != t.Request.ID {
		return nil
	}
	s.asked.mu.Lock()
	defer s.asked.mu.Unlock()
	if s.asked.all == nil || len(s.asked.all) > mostListed {
		s.asked.all = map[event.TaskID]remembered{}
	}
	s.asked.all[t.ID] = remembered{id: t.Request.ID, changed: changed, request: of.Request}
	return of.Request
}

// ask adds what a task wants, and the forms by which it is answered. most is the number of lines that there is room for; 0 is no
// limit. Only what stands there whole can be allowed. kept are words that were typed before.
func (s *Server) ask(d *doc, t *control.Summary, r *event.RequestOpened, most int, kept string) {
	switch {
	case r == nil:
		d.el("p", "What it asked is answered, or over.", "class", "dim")
	case r.Request == "" && t.State == event.Waiting, r.Reason == event.WaitDialog:
		d.in("p", nil, func() {
			d.text("It asks in its own terminal, and is answered there: ")
			d.el("code", "muster attach "+string(t.ID))
		})
	case r.Reason == event.WaitQuestion:
		s.question(d, t, r, kept)
	default:
		s.permission(d, t, r, most, kept)
	}
}

// answerForm adds a form that answers one request, with its own content.
func (s *Server) answerForm(d *doc, t *control.Summary, r *event.RequestOpened, class string, fn func()) {
	d.in("form", attrs{"method", "post", "action", s.taskPath(t.ID, "answer"), "class", class}, func() {
		d.open("input", "type", "hidden", "name", "request", "value", r.Request)
		if r.Ask != nil {
			d.open("input", "type", "hidden", "name", "hash", "value", r.Ask.Hash)
		}
		fn()
	})
}

// permission adds a request to use a tool. Allow and Deny are forms of their own, so that the enter key in the reason can only deny.
func (s *Server) permission(d *doc, t *control.Summary, r *event.RequestOpened, most int, kept string) {
	all := words.Wants(*r)
	if len(all) == 0 {
		all = []string{text.Visible(words.Request(*r))}
	}
	shown := all
	if most > 0 && len(all) > most {
		shown = all[:most]
	}
	d.el("pre", strings.Join(shown, "\n"), "class", "wants", "tabindex", "0", "role", "group", "aria-label", "What it wants to do")
	whole := len(shown) == len(all) && r.Ask != nil && !r.Ask.Cut && r.Ask.Hash != ""
	switch {
	case len(shown) < len(all):
		d.in("p", nil, func() {
			d.text(fmt.Sprintf("%d more lines: ", len(all)-len(shown)))
			d.el("a", "read all of it and decide", "href", s.taskPath(t.ID, ""), "class", "button")
		})
	case !whole:
		d.in("p", nil, func() {
			d.text("It was not stored whole, so nobody can have read it all. Deny it here, or decide in its terminal: ")
			d.el("code", "muster attach "+string(t.ID))
		})
	}
	if s.o.ReadOnly {
		return
	}
	d.in("div", attrs{"class", "answers"}, func() {
		if whole {
			s.answerForm(d, t, r, "allow", func() {
				d.el("button", "Allow", "name", "decision", "value", "allow", "class", "go")
			})
		}
		s.answerForm(d, t, r, "deny", func() {
			d.open("input", "name", "reason", "aria-label", "Reason for "+string(t.ID), "placeholder", "reason", "autocomplete", "off", "value", kept)
			d.el("button", "Deny", "name", "decision", "value", "deny", "class", "no")
		})
	})
}

// question adds questions. A single one with options has a button for each.
func (s *Server) question(d *doc, t *control.Summary, r *event.RequestOpened, kept string) {
	questions := r.Questions()
	if len(questions) > 1 || questions[0].Multi {
		s.questions(d, t, r, questions)
		return
	}
	q := questions[0]
	d.el("p", text.Visible(headed(q)), "class", "question")
	if s.o.ReadOnly {
		d.in("ul", nil, func() {
			for _, o := range q.Options {
				d.el("li", text.Visible(described(o)))
			}
		})
		return
	}
	d.in("div", attrs{"class", "answers"}, func() {
		if len(q.Options) > 0 {
			s.answerForm(d, t, r, "choices", func() {
				for i, o := range q.Options {
					d.in("button", attrs{"name", "choice", "value", strconv.Itoa(i + 1)}, func() {
						d.el("span", text.Visible(o.Label))
						if o.Description != "" {
							d.el("small", text.Visible(o.Description))
						}
					})
				}
			})
		}
		s.answerForm(d, t, r, "words", func() {
			d.open("input", "name", "words", "aria-label", "Your answer to "+string(t.ID), "placeholder", "other words", "autocomplete", "off", "required", bare, "value", kept)
			d.el("button", "Send")
		})
	})
}

func headed(q event.Question) string {
	if q.Header != "" && q.Header != q.Text {
		return q.Header + ": " + q.Text
	}
	return q.Text
}

func described(o event.Option) string {
	if o.Description != "" {
		return o.Label + ": " + o.Description
	}
	return o.Label
}

// questions adds several questions, or one to which several answers may be given, in one form.
func (s *Server) questions(d *doc, t *control.Summary, r *event.RequestOpened, questions []event.Question) {
	s.answerForm(d, t, r, "questions", func() {
		for i, q := range questions {
			name := fmt.Sprintf("q%d", i)
			d.in("fieldset", nil, func() {
				d.el("legend", text.Visible(headed(q)))
				kind := "radio"
				if q.Multi {
					kind = "checkbox"
				}
				for n, o := range q.Options {
					d.in("label", attrs{"class", "option"}, func() {
						d.open("input", "type", kind, "name", name, "value", strconv.Itoa(n+1))
						d.el("span", text.Visible(described(o)))
					})
				}
				if !s.o.ReadOnly {
					d.open("input", "name", name+"t", "aria-label", fmt.Sprintf("Other words to question %d of %s", i+1, t.ID), "placeholder", "other words", "autocomplete", "off")
				}
			})
		}
		if !s.o.ReadOnly {
			d.el("button", "Send the answers", "name", "asked", "value", strconv.Itoa(len(questions)))
		}
	})
}
