package matrix

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Result is what came of a test in its last run.
type Result struct {
	Date   string `json:"date"` // of the run, as 2006-01-02
	Passed bool   `json:"passed"`
}

// Results are those of the tests of the table, by their names and, because another version is another program, by the versions of
// their agents.
type Results map[string]map[string]Result

// Read adds the results of a run to r. run is the output of `go test -json`. A test that the run left out or skipped keeps its older
// result.
func (r Results) Read(run io.Reader, now time.Time) error {
	wanted := map[string]string{} // versions by names of tests
	for _, k := range kinds() {
		for _, s := range Situations() {
			for _, test := range k.shownBy(s) {
				wanted[strings.ReplaceAll(test, " ", "_")] = k.version
			}
		}
	}
	lines := bufio.NewScanner(run)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e struct{ Action, Test string }
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Action != "pass" && e.Action != "fail" {
			continue
		}
		version, ok := wanted[e.Test]
		if !ok {
			continue
		}
		if r[e.Test] == nil {
			r[e.Test] = map[string]Result{}
		}
		r[e.Test][version] = Result{Date: now.UTC().Format(time.DateOnly), Passed: e.Action == "pass"}
	}
	return lines.Err()
}

// shownBy returns the tests that show a situation of the kind; none if it is exempt.
func (k kind) shownBy(situation string) []string {
	if k.exempt[situation] != "" {
		return nil
	}
	out := []string{"TestSituations/" + k.name + "/" + situation, "TestSituationsOfAnAccount/" + k.name + "/" + situation}
	if own := k.tests[situation]; own != "" {
		out = append(out, own)
	}
	return out
}

// The lines around the section in the page.
const (
	begin = "<!-- Written by `make agents`. Do not edit. -->"
	end   = "<!-- The end of what `make agents` writes. -->"
)

// Page returns a page with its section replaced by the table of results.
func Page(page string, r Results) (string, error) {
	head, rest, ok := strings.Cut(page, begin+"\n")
	_, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return "", fmt.Errorf("the page lacks the line %q or %q", begin, end)
	}
	return head + begin + "\n" + r.table() + end + tail, nil
}

// table returns the results as Markdown.
func (r Results) table() string {
	var b strings.Builder
	b.WriteString("\n| situation |")
	for _, k := range kinds() {
		b.WriteString(" " + k.product + " " + k.version + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(kinds())) + "\n")
	var reasons []string
	for _, s := range Situations() {
		b.WriteString("| " + s + " |")
		for _, k := range kinds() {
			text := r.cell(k, s)
			if why := k.exempt[s]; why != "" {
				reasons = append(reasons, fmt.Sprintf("%d. %s, %s: %s.", len(reasons)+1, k.product, s, why))
				text = fmt.Sprintf("no (%d)", len(reasons))
			}
			b.WriteString(" " + text + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("\n" + strings.Join(reasons, "\n") + "\n\n")
	return b.String()
}

// cell returns a cell of the table: the newest date of its tests, and the test of the kind's own, if there is one.
func (r Results) cell(k kind, situation string) string {
	date, failed := "", ""
	for _, test := range k.shownBy(situation) {
		got := r[strings.ReplaceAll(test, " ", "_")][k.version]
		if got.Date > date {
			date = got.Date
		}
		if got.Date != "" && !got.Passed {
			failed = "**failed** "
		}
	}
	if date == "" {
		date = "not run"
	}
	if own := k.tests[situation]; own != "" {
		return failed + date + " `" + own + "`"
	}
	return failed + date
}
