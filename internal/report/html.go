package report

import (
	_ "embed"
	"html"
	"io"
	"strings"

	"muster/internal/text"
	"muster/internal/words"
)

// head is the page up to its heading, with a place for the title.
//
//go:embed report.html
var head string

// page is a page in the making. Every text of a task goes through say, which escapes it. It does without html/template, which
// keeps every exported method of the program and is a seventh of its size.
type page struct{ strings.Builder }

// say writes an element with a text.
func (p *page) say(before, s, after string) {
	p.WriteString(before)
	p.WriteString(html.EscapeString(s))
	p.WriteString(after)
}

// HTML writes the report as one page without scripts, and without anything that has to be fetched.
func HTML(w io.Writer, r Report) error {
	p := &page{}
	p.WriteString(strings.Replace(head, "TITLE", html.EscapeString(r.span()), 1))
	p.say("<h1>muster, ", r.span(), "</h1>\n<ul>\n")
	for _, line := range r.summary() {
		p.say("<li>", line, "</li>\n")
	}
	p.WriteString("</ul>\n")
	for _, g := range lists {
		if tasks := r.of(g); len(tasks) > 0 {
			p.group(g, tasks)
		}
	}
	if queue := r.queue(); queue != "" {
		p.say("<h2>Queued</h2>\n<p>", queue, "</p>\n")
	}
	if acts, left := r.listed(); len(acts) > 0 {
		p.WriteString("<h2>What muster did by itself</h2>\n")
		if e := earlier(left); e != "" {
			p.say("<p>", e, "</p>\n")
		}
		p.WriteString("<ul>\n")
		for _, a := range acts {
			p.say("<li>", r.clock(a.Time)+" "+string(a.Task)+" "+text.Field(a.Text, maxAct), "</li>\n")
		}
		p.WriteString("</ul>\n")
	}
	if free := r.free(); len(free) > 0 {
		p.WriteString("<h2>Free slots</h2>\n<ul>\n")
		for _, i := range free {
			p.say("<li>", hours(i.Hours)+": "+text.Field(i.Why, maxAct), "</li>\n")
		}
		p.WriteString("</ul>\n")
	}
	p.WriteString("</body>\n</html>\n")
	_, err := io.WriteString(w, p.String())
	return err
}

// group writes the tasks of a group. Those that a person can take on have the commands for it.
func (p *page) group(g words.Group, tasks []Task) {
	p.say("<h2>", g.Title(), "</h2>\n<ul>\n")
	for _, t := range tasks {
		p.say("<li><strong>", string(t.ID)+" "+text.Field(t.Name, 60), "</strong> ")
		p.say("", t.about(), "")
		if warning := t.warning(); warning != "" {
			p.say(`<br><span class="warning">`, warning, "</span>")
		}
		if g != words.DoneGroup && g != words.CancelledGroup {
			for _, step := range t.steps() {
				p.say("<br><code>", step, "</code>")
			}
		}
		p.WriteString("</li>\n")
	}
	p.WriteString("</ul>\n")
}
