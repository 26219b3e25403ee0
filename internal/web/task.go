package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/text"
	"muster/internal/words"
)

// taskPage shows one of the pages of a task.
func (s *Server) taskPage(w http.ResponseWriter, r *http.Request) {
	ref, tab := r.PathValue("id"), r.PathValue("tab")
	if !event.IsTaskID(ref) {
		s.refuse(w, r, http.StatusNotFound, "there is no such task", "")
		return
	}
	var body func(*doc, control.TaskDetail) error
	switch tab {
	case "":
		s.overview(w, r, ref, http.StatusOK, did(r), "", "")
		return
	case "diff":
		body = func(d *doc, of control.TaskDetail) error { return s.diff(d, r, of) }
	case "checks":
		body = s.checks
	case "why":
		body = func(d *doc, of control.TaskDetail) error { return s.why(d, r, of) }
	case "screen":
		body = func(d *doc, of control.TaskDetail) error { return s.screen(d, r, of) }
	case "words":
		body = s.words
	case "log":
		body = func(d *doc, of control.TaskDetail) error { return s.log(d, r, of) }
	case "rm":
		body = func(d *doc, of control.TaskDetail) error { s.remove(d, of, false); return nil }
	default:
		s.refuse(w, r, http.StatusNotFound, "there is no such page", "")
		return
	}
	s.task(w, r, ref, tab, http.StatusOK, "", body)
}

// task sends a page of a task.
func (s *Server) task(w http.ResponseWriter, r *http.Request, ref, tab string, status int, notice string, body func(*doc, control.TaskDetail) error) {
	of, err := control.Get(r.Context(), s.o.Control, control.Detail{Ref: ref})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	l := s.now(r.Context())
	inner := &doc{}
	if err := body(inner, of); err != nil {
		inner = &doc{}
		inner.in("div", attrs{"class", "notice"}, func() { inner.lines(words.Problem(err)) })
	}
	stream := "task=" + ref
	if tab == "screen" {
		stream += "&screen=1"
	}
	t := of.Task
	f := frame{title: ref + " " + text.Field(t.Spec.Name, 60), page: "task", stream: stream, seq: l.seq, list: l, notice: notice, bad: status != http.StatusOK}
	s.write(w, r, status, f, func(d *doc) {
		d.in("div", attrs{"id", "head", "data-was", was(t.State, t.Gen)}, func() { s.taskHead(d, of.Summary) })
		d.in("nav", attrs{"class", "tabs", "aria-label", "Pages of " + ref}, func() {
			for _, p := range []string{"", "diff", "checks", "why", "screen", "words"} {
				link := attrs{"href", s.taskPath(t.ID, p)}
				if p == tab || p == "checks" && tab == "log" {
					link = append(link, "aria-current", "page")
				}
				name := cmp.Or(p, "now")
				d.el("a", strings.ToUpper(name[:1])+name[1:], link...)
			}
		})
		d.el("p", "", "id", "stale", "class", "notice", "hidden", bare)
		d.part(inner)
	})
}

// taskHead adds what a task is and how it is, which is kept up to date while the page is open.
func (s *Server) taskHead(d *doc, t control.Summary) {
	now := s.o.Now()
	d.in("h1", nil, func() {
		d.el("span", string(t.ID), "class", "id")
		d.text(" " + text.Field(t.Name, 100))
	})
	d.in("p", attrs{"class", "facts"}, func() {
		d.state(t.State)
		if t.ChangedAt != nil {
			d.text(" for ")
			d.clock(*t.ChangedAt, now, "ago")
		}
		for _, f := range []string{t.Agent, counted(t.Gen, "generation"), counted(t.Rounds, "round"), cost(t)} {
			if f != "" {
				d.el("span", f, "class", "fact")
			}
		}
	})
	if about := words.About(&t); about != "" && !words.Asks(&t) {
		d.el("p", text.Field(about, 1000), "class", "about")
	}
}

func counted(n int, what string) string {
	if n == 0 {
		return ""
	}
	return words.Count(n, what)
}

func cost(t control.Summary) string {
	if t.Usage.CostUSD == 0 {
		return ""
	}
	return fmt.Sprintf("$%.2f", t.Usage.CostUSD)
}

// overview shows what a person can do with a task. typed are words that were typed into the form of verb before.
func (s *Server) overview(w http.ResponseWriter, r *http.Request, ref string, status int, notice, verb, typed string) {
	s.task(w, r, ref, "", status, notice, func(d *doc, of control.TaskDetail) error {
		t := of.Task
		if words.Asks(&of.Summary) {
			d.in("section", attrs{"class", "card warn", "aria-label", "What it asks"}, func() {
				d.el("h2", strings.ToUpper(asks(&of.Summary)[:1])+asks(&of.Summary)[1:])
				kept := ""
				if verb == "answer" {
					kept = typed
				}
				s.ask(d, &of.Summary, t.Request, 0, kept)
			})
		} else if verb == "answer" && typed != "" {
			d.in("section", attrs{"class", "card"}, func() {
				d.el("h2", "Your words")
				d.el("pre", typed)
			})
		}
		if steps := words.NextSteps(t); len(steps) > 0 {
			d.in("section", attrs{"class", "card"}, func() {
				d.el("h2", "Next")
				d.in("ul", attrs{"class", "steps"}, func() {
					for _, step := range steps {
						d.in("li", nil, func() {
							d.el("code", step.Command())
							if step.When != "" {
								d.text(" " + step.When)
							}
						})
					}
				})
			})
		}
		if !s.o.ReadOnly {
			s.actions(d, of, verb, typed)
		}
		d.in("section", attrs{"class", "card"}, func() {
			d.el("h2", "Facts")
			d.in("dl", nil, func() {
				fact := func(name, value string) {
					if value != "" {
						d.el("dt", name)
						d.el("dd", text.Field(value, 1000))
					}
				}
				fact("Repository", t.Spec.Repo)
				fact("Base", t.Spec.Base)
				fact("Branch", t.Branch)
				fact("Worktree", t.Worktree)
				fact("Fence", words.FenceSpec(t.Spec.Fence))
				fact("Note", t.Note)
				if n := len(of.Rounds); n > 0 {
					fact("Checks", words.Round(of.Rounds[n-1].RoundFinished))
				}
				if u := t.TotalUsage(); u != (event.Usage{}) {
					fact("Usage", words.Usage(u))
				}
				fact("Merge", of.Merge)
				if p := t.Published; p != nil && strings.HasPrefix(p.URL, "https://") {
					d.el("dt", "Pull request")
					d.in("dd", nil, func() { d.el("a", p.URL, "href", p.URL, "rel", "noreferrer noopener") })
				}
				for _, c := range of.Configures {
					fact("Beware", string(c.Concern)+": "+c.Path)
				}
			})
		})
		return nil
	})
}

// actions adds the forms by which a person acts on a task that goes on, or marks one that has ended as looked at.
func (s *Server) actions(d *doc, of control.TaskDetail, verb, typed string) {
	t := of.Task
	form := func(name string, fn func()) {
		d.in("form", attrs{"method", "post", "action", s.taskPath(t.ID, name)}, func() {
			d.open("input", "type", "hidden", "name", "was", "value", was(t.State, t.Gen))
			fn()
		})
	}
	kept := ""
	if verb == "send" {
		kept = typed
	}
	if t.Removed || t.State.Final() && kept == "" {
		if t.State.Final() && !t.Removed {
			d.in("section", attrs{"class", "card row"}, func() {
				d.in("form", attrs{"method", "post", "action", s.taskPath(t.ID, "seen")}, func() {
					d.open("input", "type", "hidden", "name", "changed", "value", t.ChangedAt.Format(time.RFC3339Nano))
					d.el("button", "I have looked at it")
				})
				d.el("a", "Remove…", "href", s.taskPath(t.ID, "rm"), "class", "button")
			})
		}
		return
	}
	d.in("section", attrs{"class", "card"}, func() {
		d.el("h2", "Tell it something")
		form("send", func() {
			d.el("label", "A message for its agent", "for", "text")
			d.el("textarea", kept, "id", "text", "name", "text", "rows", "3", "required", bare)
			d.el("button", "Send")
		})
		d.in("div", attrs{"class", "row"}, func() {
			if t.State == event.Parked {
				form("retry", func() { s.retryForm(d, of) })
			}
			confirm := func(name, title, what string) {
				d.in("details", nil, func() {
					d.el("summary", title)
					form(name, func() { d.el("button", what, "class", "no") })
				})
			}
			if t.Agent.Live {
				confirm("interrupt", "Interrupt…", "Interrupt its turn")
			}
			if !t.State.Final() {
				confirm("stop", "Stop…", "Stop it and keep its work")
			}
			if t.State == event.Parked {
				d.el("a", "Remove…", "href", s.taskPath(t.ID, "rm"), "class", "button")
			}
		})
	})
}

// retryForm adds the content of the form that starts a parked task again. What its newest work was found to have can be allowed, one
// by one; nothing is allowed unless a person chooses it.
func (s *Server) retryForm(d *doc, of control.TaskDetail) {
	t := of.Task
	if found := findings(of); len(found) > 0 {
		d.in("fieldset", nil, func() {
			d.el("legend", "Its work may have, from now on")
			for _, k := range found {
				d.in("label", attrs{"class", "option"}, func() {
					d.open("input", "type", "checkbox", "name", "allow", "value", string(k))
					d.el("span", string(k))
				})
			}
		})
		d.in("p", nil, func() { d.el("code", "muster retry "+string(t.ID)+" --allow "+string(found[0])) })
	}
	d.el("button", "Retry, with fresh rounds")
	d.in("p", nil, func() { d.el("code", "muster retry "+string(t.ID)) })
}

// findings returns what the newest judged work of a task was found to have and a person has not allowed yet, the weightiest first.
func findings(of control.TaskDetail) (out []event.FindingKind) {
	has := map[event.FindingKind]bool{event.FindingKind(of.Task.Reason): true}
	if n := len(of.Rounds); n > 0 {
		for _, f := range of.Rounds[n-1].Findings {
			has[f.Kind] = true
		}
	}
	for _, k := range event.FindingKinds() {
		if has[k] && !slices.Contains(of.Task.Allowed, k) {
			out = append(out, k)
		}
	}
	return out
}

// remove adds the form that removes what a task left behind. It is a page of its own, and the task's id has to be typed. Work that
// exists nowhere else is not lost: the form without the choice to keep it under a private ref is refused, as the verb is.
func (s *Server) remove(d *doc, of control.TaskDetail, force bool) {
	t := of.Task
	switch {
	case s.o.ReadOnly:
		d.el("p", "This page is for reading only.")
		return
	case t.Removed:
		d.el("p", "It is removed already.", "class", "empty")
		return
	case !control.Removable(t):
		d.in("p", nil, func() {
			d.text(fmt.Sprintf("It is %s; only ended and parked tasks are removed. Stop it first: ", t.State))
			d.el("code", "muster stop "+string(t.ID))
		})
		return
	}
	d.in("section", attrs{"class", "card warn"}, func() {
		d.el("h2", "Remove what it left behind")
		d.el("p", "Its worktree, its session and its files go. Its branch and its events stay.")
		d.in("form", attrs{"method", "post", "action", s.taskPath(t.ID, "rm")}, func() {
			d.open("input", "type", "hidden", "name", "was", "value", was(t.State, t.Gen))
			d.in("label", attrs{"class", "option"}, func() {
				at := attrs{"type", "checkbox", "name", "force", "value", "yes"}
				if force {
					at = append(at, "checked", bare)
				}
				d.open("input", at...)
				d.el("span", "Also if it has work that exists nowhere else, which is then kept under a private ref")
			})
			d.el("label", "Type "+string(t.ID)+" to confirm", "for", "typed")
			d.open("input", "id", "typed", "name", "typed", "autocomplete", "off", "required", bare)
			d.in("p", nil, func() {
				d.el("code", "muster rm "+string(t.ID))
				d.text(" or ")
				d.el("code", "muster rm "+string(t.ID)+" --force")
			})
			d.el("button", "Remove it", "class", "no")
		})
	})
}

// checks adds the rounds, the newest first, with the useful part of the first check that failed.
func (s *Server) checks(d *doc, of control.TaskDetail) error {
	switch {
	case len(of.Task.Spec.Checks)+len(of.Task.Spec.Reviews) == 0:
		d.el("p", "This task has no checks: its work is taken as it is.", "class", "empty")
	case len(of.Rounds) == 0:
		d.el("p", "No round has been judged yet.", "class", "empty")
	}
	open := true
	for i := range of.Rounds {
		round := of.Rounds[len(of.Rounds)-1-i]
		d.in("section", attrs{"class", "card"}, func() {
			d.in("h2", nil, func() {
				d.text(fmt.Sprintf("Round %d, ", round.Round))
				d.clock(round.Time, s.o.Now(), "ago")
				d.text(" ago")
			})
			d.el("p", words.Round(round.RoundFinished))
			if in := words.VerdictFence(of.Task.Spec.Fence, round.Fence); in != "" && len(round.Results) > 0 {
				d.el("p", in, "class", "dim")
			}
			for _, c := range round.Results {
				s.check(d, of.Task.ID, round.Round, c, open && !c.Green())
				open = open && c.Green()
			}
		})
	}
	return nil
}

// check adds the verdict of one check.
func (s *Server) check(d *doc, id event.TaskID, round int, c event.CheckResult, open bool) {
	class, sign := "good", "✓"
	if !c.Green() {
		class, sign = "bad", "✗"
	}
	at := attrs{"class", "check"}
	if open {
		at = append(at, "open", bare)
	}
	d.in("details", at, func() {
		d.in("summary", nil, func() {
			d.in("span", attrs{"class", "state " + class}, func() {
				d.el("span", sign, "class", "mark", "aria-hidden", "true")
				d.text(" " + text.Field(c.Name, 100))
			})
			d.el("span", words.Result(c), "class", "fact")
			d.el("span", c.Duration.Round(10*time.Millisecond).String(), "class", "fact")
		})
		if c.Run != "" {
			d.el("p", text.Visible(c.Run), "class", "command")
		}
		if c.Excerpt != "" {
			d.el("pre", text.Visible(strings.TrimRight(c.Excerpt, "\n")), "tabindex", "0", "role", "group", "aria-label", "What "+c.Name+" said")
		}
		if c.Log != "" {
			d.in("p", nil, func() {
				d.el("a", "The whole output", "href", fmt.Sprintf("%s?check=%s&round=%d#end", s.taskPath(id, "log"), url.QueryEscape(c.Name), round))
			})
		}
	})
}

// why adds the decisions that led to the state of a task, oldest first.
func (s *Server) why(d *doc, r *http.Request, of control.TaskDetail) error {
	h, err := control.Get(r.Context(), s.o.Control, control.Why{Ref: string(of.Task.ID)})
	if err != nil {
		return err
	}
	all := h.Told()
	const most = 300
	if len(all) > most {
		d.in("p", nil, func() {
			d.text(fmt.Sprintf("The newest %d of %d decisions. All of them: ", most, len(all)))
			d.el("code", "muster why "+string(of.Task.ID))
		})
		all = all[len(all)-most:]
	}
	d.in("ol", attrs{"class", "why"}, func() {
		for _, step := range all {
			d.in("li", attrs{"class", "card"}, func() {
				d.in("h2", nil, func() {
					d.el("time", step.Time.Local().Format(time.DateTime), "datetime", step.Time.UTC().Format(time.RFC3339))
					if step.To != "" {
						d.text(fmt.Sprintf(" %s → %s", step.From, step.To))
					}
				})
				d.in("dl", nil, func() {
					say := func(name, what string) {
						if what != "" {
							d.el("dt", name)
							d.el("dd", text.Field(what, 1000))
						}
					}
					for _, f := range step.Facts {
						say("Saw", f.Text)
					}
					if step.Rule != "" {
						say("Rule", step.Rule+": "+cmp.Or(step.Means, "a rule of another version"))
						say("Because", step.Detail)
					}
					for _, a := range step.Acts {
						end := "which is under way"
						switch {
						case a.Ended != nil && a.Error != "":
							end = "which failed: " + words.FirstLine(a.Error)
						case a.Ended != nil:
							end = "done in " + a.Ended.Sub(a.Begun).Round(time.Millisecond).String()
						}
						say("Did", a.Text+", "+end)
					}
				})
			})
		}
	})
	return nil
}

// words adds the prompt and the messages.
func (s *Server) words(d *doc, of control.TaskDetail) error {
	d.in("section", attrs{"class", "card"}, func() {
		d.el("h2", "Prompt")
		d.el("pre", text.Cut(text.Visible(strings.TrimRight(of.Prompt, "\n")), mostLogText), "class", "prose")
	})
	for _, m := range of.Messages {
		d.in("section", attrs{"class", "card"}, func() {
			d.in("h2", nil, func() {
				d.text(fmt.Sprintf("Message %s, %s, ", m.ID, m.State))
				d.clock(m.At, s.o.Now(), "ago")
				d.text(" ago: " + words.Why(m.Why))
			})
			d.el("pre", text.Cut(text.Visible(strings.TrimRight(m.Text, "\n")), mostLogText), "class", "prose")
		})
	}
	return nil
}

// screen adds the visible screen of the agent. While the page is open it is kept up to date.
func (s *Server) screen(d *doc, r *http.Request, of control.TaskDetail) error {
	rows, err := s.viewer.Screen(r.Context(), of.Task.ID, of.Task.Gen)
	if errors.Is(err, control.ErrNoScreen) {
		err = fault.Wrap(fault.NotFound, err, "the agent has no screen now").WithHint("What it said is under Checks and Why, and in muster logs %s.", of.Task.ID)
	}
	if err != nil {
		return err
	}
	d.in("p", attrs{"class", "dim"}, func() {
		d.text("To type there, attach: ")
		d.el("code", "muster attach "+string(of.Task.ID))
	})
	d.in("pre", attrs{"class", "screen", "id", "screen", "tabindex", "0", "role", "group", "aria-label", "The screen of the agent"}, func() { d.terminal(rows) })
	return nil
}
