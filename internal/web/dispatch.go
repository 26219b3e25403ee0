package web

import (
	"net/http"
	"strconv"
	"strings"

	"muster/internal/fault"
	"muster/internal/text"
	"muster/internal/words"
)

// dispatchPage shows the form by which a task is queued. After a mistake it has what was typed.
func (s *Server) dispatchPage(w http.ResponseWriter, r *http.Request, status int, notice string) {
	l := s.now(r.Context())
	s.write(w, r, status, frame{title: "New task", page: "new task", seq: l.seq, list: l, notice: notice, bad: status != http.StatusOK}, func(d *doc) {
		d.el("h1", "New task")
		if s.o.ReadOnly {
			d.el("p", "This page is for reading only.")
			return
		}
		typed := r.PostForm
		d.in("form", attrs{"method", "post", "action", s.prefix + "/dispatch", "class", "card order"}, func() {
			d.el("label", "What is to be done", "for", "prompt")
			d.el("textarea", typed.Get("prompt"), "id", "prompt", "name", "prompt", "rows", "8", "required", bare)
			d.el("label", "Repository", "for", "repo")
			d.in("select", attrs{"id", "repo", "name", "repo"}, func() {
				for _, repo := range s.repos() {
					at := attrs{"value", repo}
					if repo == typed.Get("repo") || typed.Get("repo") == "" && repo == s.o.Dir {
						at = append(at, "selected", bare)
					}
					d.el("option", repo, at...)
				}
			})
			d.in("details", nil, func() {
				d.el("summary", "More")
				for _, f := range [][3]string{
					{"name", "Name", "the first line of the prompt"},
					{"agent", "Agent", "as muster.toml says"},
					{"model", "Model", "as muster.toml says"},
					{"base", "Base", "the branch checked out, or @t3 for the work of t3"},
					{"after", "After", "t3, t4: tasks that must be done first"},
					{"priority", "Priority", "0"},
				} {
					d.el("label", f[1], "for", f[0])
					d.open("input", "id", f[0], "name", f[0], "placeholder", f[2], "autocomplete", "off", "value", typed.Get(f[0]))
				}
			})
			d.el("p", "Checks, commands and the fence are those of the repository's muster.toml.", "class", "dim")
			d.el("button", "Queue it", "class", "go")
		})
	})
}

// dispatch queues the task of the form.
func (s *Server) dispatch(w http.ResponseWriter, r *http.Request) {
	f := r.PostForm
	o := Order{
		Prompt: strings.ReplaceAll(f.Get("prompt"), "\r\n", "\n"), Name: f.Get("name"), Repo: f.Get("repo"), Agent: f.Get("agent"), Model: f.Get("model"), Base: f.Get("base"),
		After: strings.FieldsFunc(f.Get("after"), func(c rune) bool { return c == ',' || c == ' ' }),
	}
	var err error
	if p := f.Get("priority"); p != "" {
		n, wrong := strconv.Atoi(p)
		if o.Priority = &n; wrong != nil {
			err = fault.New(fault.Usage, "the priority %q is not a number", text.Line(p, 20))
		}
	}
	var id string
	if err == nil {
		q, failed := s.order(r, o)
		id, err = string(q.ID), failed
	}
	if err != nil {
		s.dispatchPage(w, r, statusOf(err), "Nothing was queued: "+words.Problem(err))
		return
	}
	s.caughtUp(r)
	http.Redirect(w, r, s.prefix+"/?did=dispatch&task="+id, http.StatusSeeOther)
}
