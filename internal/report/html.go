package report

import (
	_ "embed"
	"html/template"
	"io"
	"sync"

	"muster/internal/text"
	"muster/internal/words"
)

//go:embed report.html
var page string

// parsed returns the page's template. It is parsed at the first use, because every call of a hook starts this program.
var parsed = sync.OnceValue(func() *template.Template { return template.Must(template.New("report").Parse(page)) })

// HTML writes the report as one page without scripts, and without anything that has to be fetched.
func HTML(w io.Writer, r Report) error {
	type row struct {
		ID, Name, About, Warning string
		Steps                    []string
	}
	type group struct {
		Title string
		Tasks []row
	}
	type act struct{ Time, Task, Text string }
	type free struct{ Hours, Why string }
	view := struct {
		Span, Queue, Earlier string
		Summary              []string
		Groups               []group
		Acts                 []act
		Free                 []free
	}{Span: r.span(), Queue: r.queue(), Summary: r.summary()}
	for _, g := range lists {
		tasks := r.of(g)
		if len(tasks) == 0 {
			continue
		}
		of := group{Title: titles[g]}
		for _, t := range tasks {
			of.Tasks = append(of.Tasks, row{ID: string(t.ID), Name: text.Field(t.Name, 60), About: t.about(), Warning: t.warning()})
			if g != words.DoneGroup && g != words.CancelledGroup {
				of.Tasks[len(of.Tasks)-1].Steps = t.steps()
			}
		}
		view.Groups = append(view.Groups, of)
	}
	acts, left := r.listed()
	view.Earlier = earlier(left)
	for _, a := range acts {
		view.Acts = append(view.Acts, act{Time: r.clock(a.Time), Task: string(a.Task), Text: text.Field(a.Text, maxAct)})
	}
	for _, i := range r.free() {
		view.Free = append(view.Free, free{Hours: hours(i.Hours), Why: text.Field(i.Why, maxAct)})
	}
	return parsed().Execute(w, view)
}
