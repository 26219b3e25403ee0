package forge

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/testkit/hub"
)

// label adds an issue with the label "go", which pat has set at a time.
func (w *world) label(i hub.Issue, at time.Time) int {
	w.t.Helper()
	n := w.hub.Issue("acme/widget", i)
	w.hub.Label("acme/widget", n, "Go", "pat", at)
	return n
}

func TestIssuesAreListedByTheirLabelAndOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.open(); err != nil { // a pull request is an issue to the forge
		t.Fatal(err)
	}
	var want []int
	for range 103 {
		want = append(want, w.label(hub.Issue{Title: "x"}, time.Now()))
	}
	w.hub.Issue("acme/widget", hub.Issue{Title: "without a label"})
	list, err := w.g.Issues(t.Context(), widget, "go", "")
	var got []int
	for _, i := range list.Issues {
		got = append(got, i.Number)
	}
	if err != nil || !slices.Equal(got, want) || list.Tag != "" {
		t.Fatalf("Issues = %v with the tag %q, %v", got, list.Tag, err)
	}
	for _, n := range want[1:] {
		w.hub.Unlabel("acme/widget", n, "Go")
	}
	list, err = w.g.Issues(t.Context(), widget, "go", "")
	if err != nil || len(list.Issues) != 1 || list.Tag == "" {
		t.Fatalf("Issues = %+v, %v", list, err)
	}
	again, err := w.g.Issues(t.Context(), widget, "go", list.Tag)
	if err != nil || !again.Same || again.Tag != list.Tag {
		t.Errorf("Issues with the tag = %+v, %v", again, err)
	}
	w.hub.Unlabel("acme/widget", want[0], "Go")
	if again, err = w.g.Issues(t.Context(), widget, "go", list.Tag); err != nil || again.Same || len(again.Issues) != 0 {
		t.Errorf("Issues after a change = %+v, %v", again, err)
	}
}

func TestIssueSaysWhoSetTheLabelAndWhatChangedAfterIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	n := w.label(hub.Issue{Title: "a title", Body: "a body", Author: "eve", Edited: at.Add(-time.Minute)}, at)
	w.hub.Label("acme/widget", n, "go", "kim", at.Add(time.Minute))
	w.hub.Rename("acme/widget", n, "another title", at.Add(2*time.Minute))
	for k := range 130 {
		w.hub.Comment("acme/widget", n, hub.Comment{Author: "eve", Association: "NONE", Body: fmt.Sprint("words ", k)})
	}
	if err := w.g.Comment(t.Context(), widget, n, Marker+"x -->\nwords"); err != nil {
		t.Fatal(err)
	}
	i, err := w.g.Issue(t.Context(), widget, n)
	if err != nil {
		t.Fatal(err)
	}
	by, ok := i.LabeledBy("GO")
	if !ok || by.By != "kim" || !i.HasLabel("GO") || i.Author != "eve" || !i.Open || i.Title != "another title" || i.Body != "a body" {
		t.Errorf("the issue is %+v, labeled by %+v", i, by)
	}
	if !i.Edited.Equal(at.Add(2 * time.Minute)) {
		t.Errorf("it was edited at %v", i.Edited)
	}
	if len(i.Comments) != 1 || !i.Comments[0].Mine || i.Comments[0].Author != hub.Login || time.Since(i.Now) > time.Minute {
		t.Fatalf("the comments are %+v at %v", i.Comments, i.Now)
	}
	for range 2 { // the second time it is gone already
		if err := w.g.Withdraw(t.Context(), widget, i.Comments[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	if i, err = w.g.Issue(t.Context(), widget, n); err != nil || len(i.Comments) != 0 {
		t.Errorf("after the withdrawal: %+v, %v", i.Comments, err)
	}
	if i, err = w.g.Issue(t.Context(), widget, 4711); err != nil || i.Open {
		t.Errorf("an issue that is not there: %+v, %v", i, err)
	}
}

func TestIssueWithTooManyCommentsIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.label(hub.Issue{}, time.Now())
	for range 1001 {
		w.hub.Comment("acme/widget", n, hub.Comment{Author: "eve", Body: "x"})
	}
	if _, err := w.g.Issue(t.Context(), widget, n); err == nil || !strings.Contains(err.Error(), "more than 1000 comments") {
		t.Errorf("Issue = %v", err)
	}
	w.hub.Break(func(*http.Request) hub.Fault { return hub.Secondary })
	_, err := w.g.Issue(t.Context(), widget, n)
	if e, ok := asError(err); !ok || e.Class != Limited || e.Wait != 7*time.Second {
		t.Errorf("at a limit Issue = %v", err)
	}
}

func TestMayLabelKnowsTriage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hub.Writer("pat")
	w.hub.Triage("kim")
	for login, want := range map[string]bool{"pat": true, "kim": true, "eve": false, "github-actions[bot]": false} {
		if got, err := w.g.MayLabel(t.Context(), widget, login); err != nil || got != want {
			t.Errorf("MayLabel(%s) = %v, %v", login, got, err)
		}
	}
	if got, err := w.g.MayWrite(t.Context(), widget, "kim"); err != nil || got {
		t.Errorf("MayWrite of somebody with triage = %v, %v", got, err)
	}
}
