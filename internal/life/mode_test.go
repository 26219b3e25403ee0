package life

import (
	"strings"
	"testing"

	"muster/internal/event"
)

// inMode asks for a permission mode.
func inMode(mode string) func(*event.Spec) {
	return func(s *event.Spec) { s.Traits.Mode = mode }
}

func TestTheFirstModeOfAGenerationIsComparedWithTheConfiguration(t *testing.T) {
	t.Parallel()
	reports := func(mode string) event.Record { return event.Record{State: event.RecordWorking, PermissionMode: mode} }
	for name, c := range map[string]struct {
		asked   string
		records []string
		want    event.State
	}{
		"as configured":                  {"acceptEdits", []string{"acceptEdits"}, event.Working},
		"nothing is asked for":           {"", []string{"bypassPermissions"}, event.Working},
		"the first records have no mode": {"acceptEdits", []string{"", "", "default"}, event.Parked},
		"it changes later":               {"plan", []string{"plan", "acceptEdits"}, event.Working},
		"another from the start":         {"acceptEdits", []string{"bypassPermissions"}, event.Parked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, inMode(c.asked))
			w.prepare().launch()
			for _, mode := range c.records {
				w.report(reports(mode))
			}
			if w.task.State != c.want {
				t.Fatalf("it is %s (%s), want %s", w.task.State, w.task.Detail, c.want)
			}
			last := c.records[len(c.records)-1]
			if c.want == event.Parked && (!strings.Contains(w.task.Detail, last) || !strings.Contains(w.task.Detail, c.asked)) {
				t.Errorf("parked because %q, which does not name %s and %s", w.task.Detail, last, c.asked)
			}
		})
	}
}

func TestEachGenerationIsComparedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, inMode("acceptEdits"))
	w.prepare().launch().report(event.Record{State: event.RecordWorking, PermissionMode: "acceptEdits"})
	w.exit(event.CauseOwn, 1)
	w.launch().report(event.Record{State: event.RecordWorking, PermissionMode: "default"})
	w.want(event.Parked, ReasonLaunch)
}
