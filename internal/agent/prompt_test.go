package agent

import (
	"strings"
	"testing"

	"muster/internal/event"
)

func TestPreambleNamesChecksAndWaysToSpeak(t *testing.T) {
	t.Parallel()
	got := Preamble(event.Spec{Checks: []event.Check{{Name: "build", Run: "go build ./...", OnEdit: true}}})
	for _, want := range []string{"build: go build ./...", "each of your edits", "muster check", "muster done", "muster ask", "muster note", "need not commit, push", "Stay on the branch", "Do not use `git stash`"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
	if got := Preamble(event.Spec{}); !strings.Contains(got, "no checks") {
		t.Errorf("without checks:\n%s", got)
	}
}
