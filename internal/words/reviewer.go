package words

import (
	"cmp"
	"fmt"

	"muster/internal/event"
)

// review describes an event about a review.
func review(p event.Payload) string {
	switch p := p.(type) {
	case event.ReviewWanted:
		return fmt.Sprintf("all commands are green: %s by agent %s is wanted", p.Check, p.Agent)
	case event.ReviewBegun:
		return fmt.Sprintf("%s reviews the work", p.Task)
	case event.ReviewFinished:
		return Review(p)
	case event.ReviewerSealed:
		return "a verdict counts only with the seal of this generation"
	}
	return ""
}

// Review describes the end of a review.
func Review(p event.ReviewFinished) string {
	switch {
	case p.Error != "":
		return fmt.Sprintf("%s gave no verdict (%s): %s", p.Check, p.Task, FirstLine(p.Error))
	case p.Green:
		return fmt.Sprintf("%s: %s accepts the work", p.Check, p.Task)
	}
	return fmt.Sprintf("%s: %s does not accept the work: %s", p.Check, p.Task, FirstLine(cmp.Or(p.Findings, "it names no findings")))
}
