package cli

import (
	"fmt"

	"muster/internal/event"
	"muster/internal/life"
)

// nextSteps are the commands by which a person takes a task on from where it stands; none while it goes on by
// itself.
func nextSteps(t life.Task) []string {
	id := string(t.ID)
	switch {
	case t.Removed:
		return nextRemoved(t)
	case t.Request != nil && (t.State == event.Waiting || t.State == event.Parked):
		return nextAnswer(id, *t.Request)
	case t.State == event.Parked:
		return nextParked(t)
	case t.State == event.Stalled:
		return []string{"muster attach " + id, "muster interrupt " + id}
	case t.State == event.Failed || t.State == event.Cancelled:
		if t.Branch == "" {
			return nil
		}
		return []string{"muster diff " + id, fmt.Sprintf("muster dispatch --base @%s PROMPT", id), "muster rm " + id}
	case t.State == event.Done && t.Published != nil && t.Published.Branch != "":
		return []string{"muster diff " + id}
	}
	return nil
}

func nextRemoved(t life.Task) []string {
	if len(t.Kept) == 0 {
		return nil
	}
	return []string{"muster restore " + string(t.ID)}
}

// nextAnswer is how an open request is answered.
func nextAnswer(id string, r event.RequestOpened) []string {
	switch {
	case r.Reason == event.WaitDialog:
		return []string{"muster attach " + id}
	case r.Reason == event.WaitPermission:
		return []string{"muster answer " + id + " allow", "muster answer " + id + " deny --reason TEXT"}
	case len(r.Options) > 0:
		return []string{"muster answer " + id + " NUMBER", "muster answer " + id + " TEXT"}
	}
	return []string{"muster answer " + id + " TEXT"}
}

// nextParked depends on why the task was parked.
func nextParked(t life.Task) []string {
	id := string(t.ID)
	retry := "muster retry " + id
	switch t.Reason {
	case life.ReasonRounds, life.ReasonNoProgress, life.ReasonNoChange:
		return []string{"muster checks " + id, "muster send " + id + " TEXT", retry}
	case life.ReasonSilent, life.ReasonDialog:
		return []string{"muster attach " + id, retry}
	case life.ReasonFlood:
		return []string{"muster logs " + id, retry}
	case life.ReasonAuth, life.ReasonBilling:
		return []string{retry + "   (once the account is in order)"}
	case life.ReasonContextFull:
		return []string{fmt.Sprintf("muster dispatch --base @%s PROMPT", id), retry}
	case life.ReasonDependency:
		return []string{"muster ls", retry}
	}
	return []string{retry}
}
