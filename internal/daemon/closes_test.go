package daemon

import (
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/life"
)

func TestAPullRequestClosesTheIssueOfItsRepositoryOnly(t *testing.T) {
	t.Parallel()
	c := &changes{}
	task := life.Task{ID: "t1", Spec: event.Spec{Forge: "github.com/acme/widget", Issue: &event.Issue{Forge: "github.com/Acme/widget", Number: 7}}}
	if got := c.body(task); !strings.Contains(got, "\nCloses #7\n") {
		t.Errorf("the body is %q", got)
	}
	task.Spec.Issue.Forge = "github.com/acme/gadget"
	if got := c.body(task); strings.Contains(got, "Closes") {
		t.Errorf("the body is %q", got)
	}
}
