package words

import (
	"fmt"

	"muster/internal/event"
)

// Permission describes the decision of a rule.
func Permission(p event.PermissionDecided) string {
	what := FirstLine(p.What)
	if what == "" {
		what = p.Tool
	}
	done := map[event.Decision]string{event.Allow: "allowed", event.Deny: "denied", event.Reply: "answered"}[p.Action]
	text := fmt.Sprintf("the rule at %s %s: %s", p.Rule, done, what)
	if p.By == event.DecidedByDeadline {
		text = fmt.Sprintf("nobody answered in time, so the rule at %s %s: %s", p.Rule, done, what)
	}
	if p.Action == event.Reply {
		text += " → " + FirstLine(p.Text)
	}
	return text
}
