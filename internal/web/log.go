package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"muster/internal/control"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/text"
	"muster/internal/words"
)

// mostLogLines is the number of lines of a log on one page.
const mostLogLines = 2_000

// log adds a page of the output of a check, or of the agent's terminal: its end, if no line is asked for, or the lines that have some
// words.
func (s *Server) log(d *doc, r *http.Request, of control.TaskDetail) error {
	round, err := number(r, "round")
	if err != nil {
		return err
	}
	q := control.Log{Ref: string(of.Task.ID), Check: r.URL.Query().Get("check"), Round: int(round)}
	if sought := r.URL.Query().Get("q"); sought != "" {
		return s.searchLog(d, r, of.Task.ID, q, sought)
	}
	l, err := control.Get(r.Context(), s.o.Control, q)
	if err != nil {
		return err
	}
	said, err := l.Say(r.Context())
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimRight(text.Terminal(said, false), "\n"), "\n")
	from := max(0, len(lines)-mostLogLines)
	if r.URL.Query().Has("from") {
		n, err := number(r, "from")
		if err != nil {
			return err
		}
		from = min(int(n), len(lines))
	}
	until := min(len(lines), from+mostLogLines)
	title := logTitle(q, l.Source)
	d.el("h2", title)
	s.searchForm(d, of.Task.ID, q, "")
	d.in("p", attrs{"class", "row"}, func() {
		d.el("span", fmt.Sprintf("lines %d to %d of %d", min(from+1, until), until, len(lines)), "class", "fact")
		if from > 0 {
			d.el("a", "Earlier", "class", "button", "href", s.logPath(of.Task.ID, q, max(0, from-mostLogLines)))
		}
		if until < len(lines) {
			d.el("a", "Later", "class", "button", "href", s.logPath(of.Task.ID, q, until))
		}
	})
	d.el("pre", text.Cut(strings.Join(lines[from:until], "\n"), mostLogText), "class", "log", "tabindex", "0", "role", "group", "aria-label", title)
	d.el("p", "", "id", "end")
	return nil
}

func logTitle(q control.Log, source string) string {
	switch {
	case q.Check != "":
		return "Output of " + text.Field(q.Check, 100)
	case source == control.LogTerminal:
		return "The agent's terminal"
	}
	return "What the agent reported"
}

// logPath returns the address of a log from a line on, whose first line is 0.
func (s *Server) logPath(id event.TaskID, q control.Log, from int) string {
	return fmt.Sprintf("%s?check=%s&round=%d&from=%d", s.taskPath(id, "log"), url.QueryEscape(q.Check), q.Round, from)
}

// searchForm adds the form by which a log is searched.
func (s *Server) searchForm(d *doc, id event.TaskID, q control.Log, sought string) {
	d.in("form", attrs{"method", "get", "action", s.taskPath(id, "log"), "class", "search"}, func() {
		d.open("input", "type", "hidden", "name", "check", "value", q.Check)
		d.open("input", "type", "hidden", "name", "round", "value", strconv.Itoa(q.Round))
		d.open("input", "name", "q", "aria-label", "Words to search for in this log", "placeholder", "search all of it", "autocomplete", "off", "value", sought)
		d.el("button", "Search")
	})
}

// searchLog adds the lines of a log that have some words. A number leads to its place.
func (s *Server) searchLog(d *doc, r *http.Request, id event.TaskID, q control.Log, sought string) error {
	found, err := control.Get(r.Context(), s.o.Control, control.Search{Log: q, Words: sought, Most: mostFound})
	if fault.Is(err, fault.Usage) {
		s.searchForm(d, id, q, "")
	}
	if err != nil {
		return err
	}
	title := logTitle(q, found.Source)
	d.el("h2", title)
	s.searchForm(d, id, q, sought)
	d.in("p", attrs{"class", "row"}, func() {
		said := fmt.Sprintf("%d of %s", found.Count, words.Count(found.Of, "line"))
		if len(found.Lines) < found.Count {
			said += fmt.Sprintf(", the first %d are shown", len(found.Lines))
		}
		d.el("span", said, "class", "fact")
		d.el("a", "All of the log", "class", "button", "href", s.logPath(id, q, max(0, found.Of-mostLogLines))+"#end")
	})
	const before = 5 // lines of context above the one that is looked for
	d.in("pre", attrs{"class", "log found", "tabindex", "0", "role", "group", "aria-label", title}, func() {
		for _, line := range found.Lines {
			d.el("a", strconv.Itoa(line.Number), "href", s.logPath(id, q, max(0, line.Number-1-before)))
			d.text(" ")
			d.marked(line.Text, found.Marks(line.Text))
			d.text("\n")
		}
	})
	return nil
}

// marked adds a text with marks at pairs of offsets.
func (d *doc) marked(s string, marks [][2]int) {
	at := 0
	for _, m := range marks {
		d.text(s[at:m[0]])
		d.el("mark", s[m[0]:m[1]])
		at = m[1]
	}
	d.text(s[at:])
}
