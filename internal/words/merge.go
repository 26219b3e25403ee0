package words

import (
	"fmt"
	"strings"

	"muster/internal/event"
	"muster/internal/text"
)

// mergeEvent describes a merge queue.
func mergeEvent(e event.Event) (string, bool) {
	switch p := e.Data.(type) {
	case event.MergeJoined:
		return fmt.Sprintf("%s waits to be merged into %s", p.Entry.Task, p.Branch), true
	case event.MergeWithdrawn:
		return fmt.Sprintf("%s does not wait to be merged any more: it is %s", p.Task, p.State), true
	case event.MergeBuilt:
		return built(p), true
	case event.MergeJudged:
		return mergeVerdict(p), true
	case event.MergeLanded:
		if p.Old == p.New {
			return fmt.Sprintf("the base has the work of %s already", TaskIDs(p.Tasks)), true
		}
		return fmt.Sprintf("merged: %s, by the commit %.10s onto %.10s", TaskIDs(p.Tasks), p.New, p.Old), true
	case event.MergeReturned:
		return fmt.Sprintf("%s goes back to its agent: %s", p.Task, p.Detail), true
	case event.MergeHeld:
		return "the merge queue waits: " + Held(p), true
	case event.MergeResumed:
		return "the merge queue goes on", true
	}
	return "", false
}

func built(p event.MergeBuilt) string {
	var parts []string
	if len(p.Tasks) > 0 {
		parts = append(parts, fmt.Sprintf("%s merged onto %.10s, to be judged together", TaskIDs(p.Tasks), p.Base))
	}
	for _, c := range p.Conflicts {
		parts = append(parts, fmt.Sprintf("%s conflicts in %s", c.Task, strings.Join(c.Files, ", ")))
	}
	if len(p.Left) > 0 {
		parts = append(parts, TaskIDs(p.Left)+" wait for the next batch, since they conflict with the others")
	}
	if len(p.There) > 0 {
		parts = append(parts, "the base has "+TaskIDs(p.There))
	}
	if len(parts) == 0 {
		return fmt.Sprintf("the base is at %.10s", p.Base)
	}
	return strings.Join(parts, "; ")
}

func mergeVerdict(p event.MergeJudged) string {
	what := TaskIDs(p.Tasks) + " together"
	switch len(p.Tasks) {
	case 0:
		what = "the base itself"
	case 1:
		what = string(p.Tasks[0]) + " merged"
	}
	if p.Void != "" {
		return what + ": no verdict, " + p.Void
	}
	verdict := what + ": " + Round(event.RoundFinished{Results: p.Results, Changed: true})
	if p.Reused {
		verdict += " (as is known: the tree is the same)"
	}
	return verdict
}

// Held describes what a merge queue waits for.
func Held(p event.MergeHeld) string {
	switch p.For {
	case event.MergeWaitBase:
		return "the base is red, and nobody is blamed: " + p.Why
	case event.MergeWaitCheckout:
		return "a checkout of the base is in use: " + p.Why
	case event.MergeWaitChecks:
		return "the checks leave no verdict: " + p.Why
	case event.MergeWaitTrouble:
	}
	return p.Why
}

// TaskIDs lists the ids of tasks.
func TaskIDs(all []event.TaskID) string { return text.Some(all, len(all)) }
