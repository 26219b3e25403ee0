package report

import (
	"fmt"
	"io"
	"strings"

	"muster/internal/text"
	"muster/internal/words"
)

// Markdown writes the report as Markdown. Text of agents and repositories is escaped.
func Markdown(w io.Writer, r Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# muster, %s\n\n", escape(r.span()))
	for _, s := range r.summary() {
		fmt.Fprintf(&b, "- %s\n", escape(s))
	}
	for _, g := range lists {
		tasks := r.of(g)
		if len(tasks) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n", g.Title())
		for _, t := range tasks {
			markdownTask(&b, t)
		}
	}
	if q := r.queue(); q != "" {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", words.QueuedGroup.Title(), q)
	}
	if acts, left := r.listed(); len(acts) > 0 {
		b.WriteString("\n## What muster did by itself\n\n")
		if left > 0 {
			fmt.Fprintf(&b, "%s\n\n", earlier(left))
		}
		for _, a := range acts {
			fmt.Fprintf(&b, "- %s %s\n", r.clock(a.Time), escape(strings.TrimSpace(string(a.Task)+" "+text.Field(a.Text, maxAct))))
		}
	}
	if free := r.free(); len(free) > 0 {
		b.WriteString("\n## Free slots\n\n")
		for _, i := range free {
			fmt.Fprintf(&b, "- %s: %s\n", hours(i.Hours), escape(text.Field(i.Why, maxAct)))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownTask(b *strings.Builder, t Task) {
	fmt.Fprintf(b, "- **%s %s** %s\n", t.ID, escape(text.Field(t.Name, 60)), escape(t.about()))
	if s := t.warning(); s != "" {
		fmt.Fprintf(b, "  - %s\n", escape(s))
	}
	if t.Group == words.DoneGroup || t.Group == words.CancelledGroup {
		return
	}
	for i, c := range t.Next {
		fmt.Fprintf(b, "  - `%s`", c)
		if i < len(t.When) && t.When[i] != "" {
			fmt.Fprintf(b, " %s", escape(t.When[i]))
		}
		b.WriteString("\n")
	}
}

// escape returns a text of one line that Markdown shows as it is. The characters are those that CommonMark gives a meaning
// within a line, and that begin HTML.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_[]<>&~|#!", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
