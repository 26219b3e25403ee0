package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/text"
	"muster/internal/words"
)

// mostQuestions bounds the questions of one form.
const mostQuestions = 20

// act carries out what a form asks of a task. It carries what was on the page: an answer the request and the hash of its text, the
// others the state of the task. If that is not so any more, nothing is done, and the words that were typed are kept.
func (s *Server) act(w http.ResponseWriter, r *http.Request) {
	id, err := taskOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	verb, f := r.PathValue("verb"), r.PostForm
	if verb == "seen" {
		s.seen(w, r, id)
		return
	}
	var cmd control.Command
	typed := f.Get("text")
	switch verb {
	case "answer":
		cmd, typed, err = answer(id, f)
	case "send":
		cmd = control.Send{Task: id, Text: strings.ReplaceAll(typed, "\r\n", "\n")}
	case "interrupt":
		cmd, err = control.Interrupt{Task: id}, s.unchanged(r, id, f.Get("was"))
	case "stop":
		cmd, err = control.Stop{Task: id}, s.unchanged(r, id, f.Get("was"))
	case "retry":
		retry := control.Retry{Task: id}
		for _, k := range f["allow"] {
			retry.Allow = append(retry.Allow, event.FindingKind(k))
		}
		cmd, err = retry, s.unchanged(r, id, f.Get("was"))
	case "rm":
		if err = s.unchanged(r, id, f.Get("was")); err == nil && strings.TrimSpace(f.Get("typed")) != string(id) {
			err = fault.New(fault.Usage, "%s was not typed, so it is not removed", id).WithHint("Type %s into the field.", id)
		}
		cmd = control.Remove{Task: id, Force: f.Get("force") == "yes"}
	default:
		s.refuse(w, r, http.StatusNotFound, "there is no such form", "")
		return
	}
	did := verb
	if err == nil {
		_, err = s.do(r, cmd)
		if fault.Is(err, fault.Timeout) { // it is in the log
			did, err = verb+"-late", nil
		}
	}
	if err != nil {
		s.notDone(w, r, id, verb, typed, err)
		return
	}
	s.caughtUp(r)
	back := s.prefix + "/"
	if verb != "answer" && verb != "rm" { // after an answer the next task that asks is what a person looks for
		back = s.taskPath(id, "")
	}
	http.Redirect(w, r, back+"?did="+did+"&task="+string(id), http.StatusSeeOther)
}

// caughtUp waits until the list has what was just written.
func (s *Server) caughtUp(r *http.Request) {
	if h, err := control.Get(r.Context(), s.o.Control, control.Health{}); err == nil {
		s.hub.reach(r.Context(), h.LastSeq)
	}
}

// answer returns the answer of a form, and the words that were typed into it.
func answer(id event.TaskID, f url.Values) (control.Answer, string, error) {
	a := control.Answer{Task: id, Request: f.Get("request"), Hash: f.Get("hash")}
	if a.Request == "" {
		return a, "", fault.New(fault.Usage, "the form does not say which request it answers").WithHint("Load the page again.")
	}
	asked, err := strconv.Atoi(f.Get("asked"))
	switch {
	case f.Get("decision") == string(event.Allow):
		a.Decision = event.Allow
		return a, "", nil
	case f.Get("decision") == string(event.Deny):
		a.Decision, a.Text = event.Deny, f.Get("reason")
		return a, a.Text, nil
	case f.Get("choice") != "":
		a.Answers = []string{f.Get("choice")}
		return a, "", nil
	case err == nil && asked > 0 && asked <= mostQuestions:
		var typed []string
		for i := range asked {
			name := fmt.Sprintf("q%d", i)
			said := strings.TrimSpace(f.Get(name + "t"))
			if said != "" {
				typed = append(typed, said)
			} else {
				said = strings.Join(f[name], ",")
			}
			a.Answers = append(a.Answers, said)
		}
		return a, strings.Join(typed, "\n"), nil
	case strings.TrimSpace(f.Get("words")) != "":
		a.Answers = []string{f.Get("words")}
		return a, f.Get("words"), nil
	}
	return a, "", fault.New(fault.Usage, "no answer is given").WithHint("Choose one, or write it.")
}

// was returns what a form carries of the state of a task.
func was(state event.State, gen int) string { return fmt.Sprintf("%s.%d", state, gen) }

// unchanged returns an error if a task is not any more what it was on the page.
func (s *Server) unchanged(r *http.Request, id event.TaskID, before string) error {
	t, err := control.Get(r.Context(), s.o.Control, control.One{Ref: string(id)})
	switch {
	case err != nil:
		return err
	case before == "":
		return fault.New(fault.Usage, "the form does not say what was on the page").WithHint("Load the page again.")
	case was(t.State, t.Gen) != before:
		old, _, _ := strings.Cut(before, ".")
		return fault.New(fault.Conflict, "%s is %s now; it was %s when the page was made", id, t.State, text.Field(old, 20)).WithHint("Nothing was done. Look at it, then decide again.")
	}
	return nil
}

// notDone shows the task as it is now, why nothing was done, and the words that were typed.
func (s *Server) notDone(w http.ResponseWriter, r *http.Request, id event.TaskID, verb, typed string, err error) {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge || fault.Is(err, fault.NotFound) {
		s.fail(w, r, err)
		return
	}
	s.caughtUp(r)
	said := fmt.Sprintf("Nothing was done (%s %s): %s", verb, id, words.Problem(err))
	if verb == "rm" {
		force := r.PostForm.Get("force") == "yes"
		s.task(w, r, string(id), verb, statusOf(err), said, func(d *doc, of control.TaskDetail) error { s.remove(d, of, force); return nil })
		return
	}
	s.overview(w, r, string(id), statusOf(err), said, verb, typed)
}

// seen notes that a person has looked at a task as it was on the page.
func (s *Server) seen(w http.ResponseWriter, r *http.Request, id event.TaskID) {
	changed, err := time.Parse(time.RFC3339Nano, r.PostForm.Get("changed"))
	if err != nil {
		s.fail(w, r, fault.New(fault.Usage, "the form does not say what was on the page").WithHint("Load the page again."))
		return
	}
	if err := s.o.Control.MarkSeen(r.Context(), id, changed); err != nil {
		s.fail(w, r, err)
		return
	}
	s.hub.saw(id, changed)
	http.Redirect(w, r, s.prefix+"/?did=seen&task="+string(id), http.StatusSeeOther)
}
