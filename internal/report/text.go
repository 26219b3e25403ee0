package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"muster/internal/text"
	"muster/internal/words"
)

// Text writes the report for a terminal. Lines are wrapped at width columns; 0 wraps none. Commands stay whole, so that they
// can be copied.
func Text(w io.Writer, r Report, width int) error {
	t := writer{width: width}
	t.line("", r.span())
	for _, s := range r.summary() {
		t.line("", s)
	}
	ids := 0
	for _, task := range r.Tasks {
		ids = max(ids, len(task.ID))
	}
	for _, g := range lists {
		tasks := r.of(g)
		if len(tasks) == 0 {
			continue
		}
		t.head(g.Title())
		for _, task := range tasks {
			t.task(task, ids)
		}
	}
	if q := r.queue(); q != "" {
		t.head(words.QueuedGroup.Title())
		t.line("  ", q)
	}
	if acts, left := r.listed(); len(acts) > 0 {
		t.head("What muster did by itself")
		if left > 0 {
			t.line("  ", earlier(left))
		}
		for _, a := range acts {
			t.hanging(fmt.Sprintf("  %s  %-*s  ", r.clock(a.Time), ids, a.Task), text.Field(a.Text, maxAct))
		}
	}
	if free := r.free(); len(free) > 0 {
		t.head("Free slots")
		for _, i := range free {
			t.hanging(fmt.Sprintf("  %18s  ", hours(i.Hours)), text.Field(i.Why, maxAct))
		}
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

// writer collects lines of text.
type writer struct {
	b     strings.Builder
	width int
}

func (w *writer) head(s string) { w.b.WriteString("\n" + strings.ToUpper(s) + "\n") }

func (w *writer) line(indent, s string) { w.hanging(indent, s) }

// hanging writes a text behind a prefix. Further lines begin where the text began.
func (w *writer) hanging(prefix, s string) {
	if room := w.width - ansi.StringWidth(prefix); w.width > 0 && room > 20 {
		s = ansi.Wordwrap(s, room, "")
	}
	for i, part := range strings.Split(s, "\n") {
		if i > 0 {
			prefix = strings.Repeat(" ", ansi.StringWidth(prefix))
		}
		w.b.WriteString(strings.TrimRight(prefix+part, " ") + "\n")
	}
}

func (w *writer) task(t Task, ids int) {
	prefix := fmt.Sprintf("  %-*s  ", ids, t.ID)
	w.hanging(prefix, text.Field(t.Name, 60)+"  "+t.about())
	indent := strings.Repeat(" ", len(prefix))
	if s := t.warning(); s != "" {
		w.hanging(indent, s)
	}
	if t.Group == words.DoneGroup || t.Group == words.CancelledGroup {
		return // nothing is wanted
	}
	for _, s := range t.steps() {
		w.b.WriteString(indent + s + "\n")
	}
}
