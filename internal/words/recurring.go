package words

import (
	"fmt"

	"muster/internal/event"
)

// recurring describes a run of a schedule.
func recurring(p event.RecurringRan) string {
	text := fmt.Sprintf("recurring %s, run of %s: ", p.Name, p.At.Format("2006-01-02 15:04 MST"))
	switch {
	case p.Why != "":
		text += "nothing was queued: " + FirstLine(p.Why)
	case len(p.Tasks) == 0:
		text += "left out"
	default:
		text += "queued " + TaskIDs(p.Tasks)
	}
	if p.Skipped > 0 {
		text += fmt.Sprintf(" (%s missed)", Count(p.Skipped, "run"))
	}
	return text
}
