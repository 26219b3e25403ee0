package web

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/text"
	"muster/internal/words"
)

var (
	//go:embed assets/app.js
	script []byte
	//go:embed assets/style.css
	style []byte
)

// pages adds the routes of pages, all of them below the secret prefix and for a browser that is signed in.
func (s *Server) pages(mux *http.ServeMux) {
	get := func(path string, fn func(http.ResponseWriter, *http.Request)) {
		mux.HandleFunc("GET "+s.prefix+path, s.signedIn(func(w http.ResponseWriter, r *http.Request, _ *session) { fn(w, r) }))
	}
	post := func(path string, fn func(http.ResponseWriter, *http.Request)) {
		mux.HandleFunc("POST "+s.prefix+path, s.signedIn(func(w http.ResponseWriter, r *http.Request, _ *session) {
			if err := r.ParseForm(); err != nil {
				s.fail(w, r, fault.Wrap(fault.Usage, err, "the form cannot be read"))
				return
			}
			fn(w, r)
		}))
	}
	get("/{$}", s.fleetPage)
	get("/tasks/{id}", s.taskPage)
	get("/tasks/{id}/{tab}", s.taskPage)
	get("/night", s.nightPage)
	get("/report", s.reportPage)
	get("/dispatch", func(w http.ResponseWriter, r *http.Request) { s.dispatchPage(w, r, http.StatusOK, "") })
	get("/app.js", func(w http.ResponseWriter, _ *http.Request) { asset(w, "text/javascript; charset=utf-8", script) })
	get("/style.css", func(w http.ResponseWriter, _ *http.Request) {
		asset(w, "text/css; charset=utf-8", slices.Concat(style, palette()))
	})
	mux.HandleFunc("GET "+s.prefix+"/events", s.signedIn(s.stream))
	post("/dispatch", s.dispatch)
	post("/tasks/{id}/{verb}", s.act)
	post("/out", func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie(s.cookie); err == nil {
			s.sessions.end(c.Value)
		}
		http.SetCookie(w, &http.Cookie{Name: s.cookie, Path: s.prefix + "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode}) //nolint:gosec // as where it is set
		s.bare(w, http.StatusOK, "You are signed out", func(d *doc) { d.el("p", "To come back, print another link: muster web --link") })
	})
	mux.HandleFunc(s.prefix+"/", s.signedIn(func(w http.ResponseWriter, r *http.Request, _ *session) {
		s.refuse(w, r, http.StatusNotFound, "there is no such page", "")
	}))
}

func asset(w http.ResponseWriter, kind string, data []byte) {
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(data) // the browser may be gone
}

// frame is what is around each page.
type frame struct {
	title  string
	page   string // the entry of the navigation
	stream string // the query of the events that the page wants; "" for none
	seq    int64
	list   list
	notice string // what was done, or was not
	bad    bool   // it was not
}

// write sends a page.
func (s *Server) write(w http.ResponseWriter, r *http.Request, status int, f frame, body func(*doc)) {
	d := &doc{}
	if f.page == "tasks" {
		d.b.Grow(len(f.list.tasks) * 512) // a row that asks nothing has somewhat less
	}
	d.head(f.title+" · muster", func() {
		d.open("link", "rel", "stylesheet", "href", s.prefix+"/style.css")
		d.open("script", "src", s.prefix+"/app.js", "defer", bare)
		d.close("script")
	})
	at := attrs{"data-base", s.prefix, "data-seq", strconv.FormatInt(f.seq, 10)}
	if f.stream != "" {
		at = append(at, "data-stream", f.stream)
	}
	d.open("body", at...)
	d.el("a", "Skip to the content", "class", "skip", "href", "#content")
	d.in("header", nil, func() {
		d.el("a", "muster", "class", "brand", "href", s.prefix+"/")
		d.in("div", attrs{"id", "counts"}, func() { d.counts(f.list) })
		d.in("nav", attrs{"aria-label", "Pages"}, func() {
			for _, p := range [][2]string{{"tasks", "/"}, {"night", "/night"}, {"report", "/report"}, {"new task", "/dispatch"}} {
				if p[0] == "new task" && s.o.ReadOnly {
					continue
				}
				link := attrs{"href", s.prefix + p[1]}
				if p[0] == f.page {
					link = append(link, "aria-current", "page")
				}
				d.el("a", strings.ToUpper(p[0][:1])+p[0][1:], link...)
			}
		})
	})
	d.in("div", attrs{"id", "trouble"}, func() { d.trouble(f.list) })
	d.el("p", "", "id", "live", "role", "status")
	d.in("main", attrs{"id", "content", "tabindex", "-1"}, func() {
		if f.notice != "" {
			class := "notice"
			if f.bad {
				class = "notice bad"
			}
			d.in("div", attrs{"class", class}, func() { d.lines(f.notice) })
		}
		body(d)
	})
	d.in("footer", nil, func() {
		d.in("noscript", nil, func() { d.el("a", "Refresh", "href", s.prefix+strings.TrimPrefix(r.URL.Path, s.prefix)) })
		d.el("span", "live updates are off", "id", "link")
		if !s.o.ReadOnly {
			d.in("form", attrs{"method", "post", "action", s.prefix + "/out"}, func() { d.el("button", "Sign out", "class", "quiet") })
		} else {
			d.el("span", "for reading only")
		}
	})
	d.close("body")
	d.close("html")
	writePage(w, status, d)
}

// lines adds a text with its line breaks.
func (d *doc) lines(s string) {
	for line := range strings.Lines(s) {
		d.el("p", strings.TrimRight(line, "\n"))
	}
}

// counts adds the numbers of tasks.
func (d *doc) counts(l list) {
	n := l.numbers()
	for _, g := range []words.Group{words.NeedsYouGroup, words.RunningGroup, words.QueuedGroup, words.DoneGroup} {
		if n[g] == 0 && g != words.RunningGroup {
			continue
		}
		said := g.Count(n[g])
		if g == words.DoneGroup && len(l.fresh) > 0 {
			said += fmt.Sprintf(" (%d new)", len(l.fresh))
		}
		d.el("span", said, "class", "n "+string(g))
	}
	f := l.fleet.Fleet
	d.el("span", fmt.Sprintf("%d/%d slots", f.SlotsUsed, f.Slots), "class", "n")
	if l.cost > 0 {
		d.el("span", fmt.Sprintf("$%.2f", l.cost), "class", "n")
	}
	said := "no supervisor"
	switch {
	case f.Supervisor.Running && f.Supervisor.Stuck:
		said = "supervisor stuck"
	case f.Supervisor.Running:
		said = "supervisor ok"
	case f.Down:
		said = "fleet is down"
	}
	d.el("span", said, "class", "n")
}

// numbers returns the numbers of tasks, also of those that are not listed.
func (l list) numbers() map[words.Group]int {
	n := map[words.Group]int{}
	for g, ids := range l.groups {
		n[g] = len(ids)
	}
	n[words.QueuedGroup] += l.fleet.Waiting
	n[words.DoneGroup] += l.fleet.Ended
	return n
}

// trouble adds what is wrong with the fleet itself.
func (d *doc) trouble(l list) {
	for _, line := range l.fleet.Trouble {
		d.el("p", line, "class", "notice bad")
	}
	if l.wrong != "" {
		d.el("p", "the fleet cannot be read: "+l.wrong, "class", "notice bad")
	}
}

// now returns the list as it is now. It waits for the first look at the fleet.
func (s *Server) now(ctx context.Context) list {
	s.hub.reach(ctx, 0)
	return s.hub.since(0)
}

// fleetPage shows all tasks.
func (s *Server) fleetPage(w http.ResponseWriter, r *http.Request) {
	l := s.now(r.Context())
	s.write(w, r, http.StatusOK, frame{title: title(l), page: "tasks", stream: "tasks", seq: l.seq, list: l, notice: did(r)}, func(d *doc) {
		d.el("h1", "Tasks", "class", "hidden")
		by := map[words.Group][]*control.Summary{}
		for i := range l.tasks {
			g := words.GroupOf(l.tasks[i].State)
			by[g] = append(by[g], &l.tasks[i])
		}
		for _, g := range words.Groups() {
			s.group(r.Context(), d, g, by[g], l)
		}
		at := attrs{"class", "empty", "id", "empty"}
		if len(l.tasks) > 0 {
			at = append(at, "hidden", bare)
		}
		d.in("p", at, func() {
			d.text("There are no tasks. ")
			if !s.o.ReadOnly {
				d.el("a", "Queue one", "href", s.prefix+"/dispatch")
				d.text(", or type ")
			}
			d.el("code", `muster dispatch "…"`)
		})
	})
}

// title is the title of the page, for a tab that is not looked at.
func title(l list) string {
	if n := len(l.groups[words.NeedsYouGroup]); n > 0 {
		return words.NeedsYouGroup.Count(n)
	}
	return "Tasks"
}

// did returns what a form has done, for the page after it.
func did(r *http.Request) string {
	id, verb := r.URL.Query().Get("task"), r.URL.Query().Get("did")
	said := map[string]string{
		"answer": "was answered", "send": "was sent your words", "interrupt": "was interrupted", "retry": "was started again", "stop": "was told to stop", "seen": "is marked as looked at", "dispatch": "is queued",
		"rm": "is removed", "rm-late": "will be removed as soon as the supervisor is there",
		"answer-late": "will be answered as soon as the supervisor is there", "retry-late": "will be started again as soon as the supervisor is there",
	}[verb]
	if said == "" || !event.IsTaskID(id) {
		return ""
	}
	return id + " " + said
}

// group adds the table of one group. It is there also when it is empty, so that a row can come.
func (s *Server) group(ctx context.Context, d *doc, g words.Group, tasks []*control.Summary, l list) {
	at := attrs{"class", "group", "id", "g-" + string(g)}
	if len(tasks) == 0 {
		at = append(at, "hidden", bare)
	}
	d.in("section", at, func() {
		more := 0
		switch g {
		case words.QueuedGroup:
			more = l.fleet.Waiting
		case words.DoneGroup:
			more = l.fleet.Ended
		case words.NeedsYouGroup, words.RunningGroup, words.CancelledGroup:
		}
		folded := g == words.CancelledGroup
		if folded {
			d.open("details")
			d.open("summary")
		}
		d.in("h2", nil, func() {
			d.text(g.Title() + " ")
			d.el("span", strconv.Itoa(len(tasks)+more), "class", "count")
		})
		if folded {
			d.close("summary")
		}
		d.in("table", nil, func() {
			d.el("caption", g.Title(), "class", "hidden")
			d.in("thead", nil, func() {
				d.in("tr", nil, func() {
					for _, c := range []string{"State", "Task", "About", "Time", "Cost"} {
						d.el("th", c, "scope", "col")
					}
				})
			})
			for _, t := range tasks {
				s.row(ctx, d, t, l.fresh[t.ID])
			}
		})
		if folded {
			d.close("details")
		}
		if more > 0 {
			d.el("p", fmt.Sprintf("and %d more: muster ls --all", more), "class", "more")
		}
	})
}

// tone returns the class of a state.
func tone(state event.State) string {
	switch words.ToneOf(state) {
	case words.ToneWarn:
		return "warn"
	case words.ToneBad:
		return "bad"
	case words.ToneGood:
		return "good"
	case words.ToneDim:
		return "dim"
	case words.ToneBusy:
		return "busy"
	}
	return ""
}

// state adds the state of a task: a sign, the word, and a colour.
func (d *doc) state(state event.State) {
	sign, _ := words.Mark(state)
	d.in("span", attrs{"class", "state " + tone(state)}, func() {
		d.el("span", sign, "class", "mark", "aria-hidden", "true")
		d.text(" " + string(state))
	})
}

// clock adds a time that the script keeps up to date. kind is ago or left.
func (d *doc) clock(at, now time.Time, kind string) {
	said := words.Ago(at, now)
	if kind == "left" {
		said = words.Duration(at.Sub(now)) + " left"
	}
	d.el("time", said, "datetime", at.UTC().Format(time.RFC3339), "data-"+kind, bare)
}

// row adds the rows of one task, which are replaced together.
func (s *Server) row(ctx context.Context, d *doc, t *control.Summary, fresh bool) {
	now := s.o.Now()
	class := tone(t.State)
	if fresh {
		class += " fresh"
	}
	d.in("tbody", attrs{"id", string(t.ID), "class", class}, func() {
		d.in("tr", nil, func() {
			d.in("td", attrs{"class", "c-state"}, func() {
				d.state(t.State)
				if fresh {
					d.el("span", "new", "class", "new")
				}
			})
			d.in("th", attrs{"scope", "row", "class", "c-task"}, func() {
				d.in("a", attrs{"href", s.taskPath(t.ID, "")}, func() {
					d.el("span", string(t.ID), "class", "id")
					d.text(" " + text.Field(t.Name, 100))
				})
			})
			d.in("td", attrs{"class", "c-about"}, func() {
				if !words.Asks(t) {
					d.text(text.Field(words.About(t), 300))
				} else {
					d.text(asks(t))
				}
			})
			d.in("td", attrs{"class", "c-time"}, func() {
				switch {
				case t.State == event.Waiting && t.Request != nil && t.Request.Until != nil:
					d.clock(*t.Request.Until, now, "left")
				case t.State == event.Limited && t.Until != nil:
					d.clock(*t.Until, now, "left")
				case t.ChangedAt != nil:
					d.clock(*t.ChangedAt, now, "ago")
				}
			})
			d.in("td", attrs{"class", "c-cost"}, func() {
				if t.Usage.CostUSD > 0 {
					d.text(fmt.Sprintf("$%.2f", t.Usage.CostUSD))
				}
			})
		})
		if words.Asks(t) {
			d.in("tr", attrs{"class", "ask"}, func() {
				d.in("td", attrs{"colspan", "5"}, func() { s.ask(d, t, s.request(ctx, t), mostAsked, "") })
			})
		}
	})
}

// asks says in one line what a task wants.
func asks(t *control.Summary) string {
	switch t.Request.Reason {
	case event.WaitQuestion:
		return "asks a question"
	case event.WaitPermission:
		return "asks to use " + cmp.Or(text.Field(t.Request.Tool, 60), "a tool")
	case event.WaitDialog:
	}
	return "asks in its own terminal"
}

func (s *Server) taskPath(id event.TaskID, tab string) string {
	path := s.prefix + "/tasks/" + string(id)
	if tab != "" {
		path += "/" + tab
	}
	return path
}
