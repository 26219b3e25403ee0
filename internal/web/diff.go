package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"muster/internal/control"
	"muster/internal/text"
	"muster/internal/words"
)

const (
	// mostLines is the number of lines of a diff on one page. A browser stands still over many more.
	mostLines = 20_000
	// mostOpen is the number of lines of a file up to which its changes are unfolded, and openFiles that of the files.
	mostOpen  = 400
	openFiles = 30
)

// diff adds what a task has changed, or what a round has judged.
func (s *Server) diff(d *doc, r *http.Request, of control.TaskDetail) error {
	q, err := diffOf(r, string(of.Task.ID))
	if err != nil {
		return err
	}
	out := &text.Limited{Most: mostDiff}
	q.To = out
	split := r.URL.Query().Get("view") == "split"
	s.sides(d, of, q, split)
	changes, err := control.Get(r.Context(), s.o.Control, q)
	cut := out.Full()
	if err != nil && !cut {
		d.in("div", attrs{"class", "notice"}, func() { d.lines(words.Problem(err)) }) // the other rounds can be chosen
		return nil
	}
	d.in("p", attrs{"class", "facts"}, func() {
		d.el("span", verdict(of, q.Round), "class", "fact")
		d.el("span", fmt.Sprintf("base %.10s", changes.Base), "class", "fact")
	})
	files := splitDiff(out.String())
	if len(files) == 0 {
		d.el("p", "Nothing was changed.", "class", "empty")
		return nil
	}
	added, removed := 0, 0
	for _, f := range files {
		added, removed = added+f.added, removed+f.removed
	}
	d.el("p", fmt.Sprintf("%s, +%d −%d", words.Count(len(files), "file"), added, removed), "class", "dim")
	room := mostLines
	for i, f := range files {
		if !d.file(f, i, split, &room) {
			cut = true
		}
	}
	if cut {
		d.in("p", nil, func() {
			d.text("This is not all of it: ")
			d.el("code", q.Command())
		})
	}
	return nil
}

// verdict says what was found of what a diff shows: of a round, or of the newest one.
func verdict(of control.TaskDetail, round int) string {
	for _, r := range slices.Backward(of.Rounds) {
		if round == 0 || r.Round == round {
			return fmt.Sprintf("Round %d: %s", r.Round, words.Round(r.RoundFinished))
		}
	}
	return "It was not judged yet."
}

// sides adds the choice of what is compared: the work now or what a round judged, since the base or since an earlier round, in one
// column or in two.
func (s *Server) sides(d *doc, of control.TaskDetail, now control.Diff, split bool) {
	link := func(name string, round, from int, split, current bool) {
		q := url.Values{}
		if round != 0 {
			q.Set("round", strconv.Itoa(round))
		}
		if from != 0 {
			q.Set("from", strconv.Itoa(from))
		}
		if split {
			q.Set("view", "split")
		}
		at := attrs{"href", s.taskPath(of.Task.ID, "diff")}
		if len(q) > 0 {
			at[1] += "?" + q.Encode()
		}
		if current {
			at = append(at, "aria-current", "true")
		}
		d.el("a", name, at...)
	}
	rounds := control.Judged(of.Rounds)
	rounds = rounds[max(0, len(rounds)-mostRounds):]
	choose := func(label string, fn func()) {
		d.in("nav", attrs{"class", "tabs choose", "aria-label", label}, func() {
			d.el("span", label, "class", "dim")
			fn()
		})
	}
	if len(rounds) > 0 {
		choose("What", func() {
			link("Newest", 0, 0, split, now.Round == 0)
			for _, n := range slices.Backward(rounds) {
				link(fmt.Sprintf("Round %d", n), n, 0, split, now.Round == n)
			}
		})
		choose("Since", func() {
			link("The base", now.Round, 0, split, now.From == 0)
			for _, n := range slices.Backward(rounds) {
				if now.Round == 0 || n < now.Round {
					link(fmt.Sprintf("Round %d", n), now.Round, n, split, now.From == n)
				}
			}
		})
	}
	d.in("nav", attrs{"class", "tabs choose wide", "aria-label", "Layout"}, func() {
		d.el("span", "Layout", "class", "dim")
		link("One column", now.Round, now.From, false, !split)
		link("Side by side", now.Round, now.From, true, split)
	})
}

// mostRounds is the number of rounds that can be chosen by a click, the newest ones. An address can name any.
const mostRounds = 12

// file adds the changes of a file. It reports whether there was room for all of its lines.
func (d *doc) file(f *fileDiff, i int, split bool, room *int) bool {
	at := attrs{"class", "file"}
	if len(f.lines) <= mostOpen && i < openFiles && !f.generated() {
		at = append(at, "open", bare)
	}
	lines := f.lines[:min(len(f.lines), max(0, *room))]
	*room -= len(f.lines)
	d.in("details", at, func() {
		d.in("summary", nil, func() {
			d.el("span", text.Visible(f.name), "class", "path")
			d.el("span", fmt.Sprintf("+%d", f.added), "class", "plus")
			d.el("span", fmt.Sprintf("−%d", f.removed), "class", "minus")
		})
		class := "diff"
		if split {
			class += " split"
		}
		d.in("pre", attrs{"class", class, "tabindex", "0", "role", "group", "aria-label", "Changes of " + f.name}, func() {
			if split {
				d.splitLines(lines)
				return
			}
			for _, line := range lines {
				d.diffLine(line)
			}
		})
	})
	return len(lines) == len(f.lines)
}

// lineClass returns the class of a line of a diff.
func lineClass(line string) string {
	switch line[:min(1, len(line))] {
	case "+":
		return "add"
	case "-":
		return "del"
	case "@":
		return "hunk"
	}
	return ""
}

func (d *doc) diffLine(line string) {
	class := lineClass(line)
	line = text.Visible(line) + "\n"
	if class == "" {
		d.text(line)
		return
	}
	d.el("span", line, "class", class)
}

// splitLines adds lines in two columns, the old ones beside the new ones. Removed and added lines that follow each other are one
// pair, and lines that both sides have are another, whose second copy is for the eye only: on a narrow screen the style sheet hides
// it and puts the columns below each other, which is what one column shows.
func (d *doc) splitLines(lines []string) {
	for len(lines) > 0 {
		n := 0
		run := func(class string) []string {
			from := n
			for n < len(lines) && lineClass(lines[n]) == class {
				n++
			}
			return lines[from:n]
		}
		column := func(class string, lines []string, at ...string) {
			d.in("span", append(attrs{"class", class}, at...), func() {
				for _, line := range lines {
					d.diffLine(line)
				}
			})
		}
		if both := run(""); len(both) > 0 {
			d.in("span", attrs{"class", "pair"}, func() {
				column("old", both)
				column("new twin", both, "aria-hidden", "true")
			})
		} else if heads := run("hunk"); len(heads) > 0 {
			column("whole", heads)
		} else {
			d.in("span", attrs{"class", "pair"}, func() {
				column("old", run("del"))
				column("new", run("add"))
			})
		}
		lines = lines[n:]
	}
}

// fileDiff is the change of one file, without the lines of git that repeat its name.
type fileDiff struct {
	name           string
	lines          []string
	added, removed int
}

// splitDiff returns the files of a diff of git.
func splitDiff(all string) (out []*fileDiff) {
	var f *fileDiff
	body := false
	for line := range strings.Lines(all) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "diff --"):
			name := line[strings.LastIndexByte(line, ' ')+1:]
			if i := strings.Index(line, " b/"); i >= 0 {
				name = line[i+3:]
			}
			f, body = &fileDiff{name: strings.TrimPrefix(name, "b/")}, false
			out = append(out, f)
			continue
		case f == nil:
			continue
		case strings.HasPrefix(line, "@@"):
			body = true
		case !body && (strings.HasPrefix(line, "index ") || strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "+++ ")):
			continue
		case body && strings.HasPrefix(line, "+"):
			f.added++
		case body && strings.HasPrefix(line, "-"):
			f.removed++
		}
		f.lines = append(f.lines, line)
	}
	return out
}

// generated reports whether a file is one that a program writes and nobody reads.
func (f *fileDiff) generated() bool {
	for _, end := range []string{".lock", ".sum", "-lock.json", ".min.js", ".min.css", ".pb.go", ".snap", ".svg"} {
		if strings.HasSuffix(f.name, end) {
			return true
		}
	}
	return false
}
