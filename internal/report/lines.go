package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/text"
	"muster/internal/words"
)

// The most acts that a form for people lists. The JSON has all of them.
const mostActs = 40

// span describes the time of the report.
func (r Report) span() string {
	const day = "Mon 2 Jan 15:04"
	return fmt.Sprintf("%s to %s (%s)", r.Since.Format(day), r.Until.Format(day), words.Duration(r.Until.Sub(r.Since)))
}

// summary returns the few lines that say most.
func (r Report) summary() []string {
	var lines []string
	for _, s := range r.Trouble {
		lines = append(lines, "ATTENTION: "+text.Field(s, maxAct))
	}
	for _, m := range r.Merges {
		lines = append(lines, text.Field(fmt.Sprintf("ATTENTION: the merge queue of %s waits since %s, with %s (%s): %s", m.Branch, r.clock(m.Since), words.Count(len(m.Tasks), "task"), text.Some(m.Tasks, 5), m.Why), maxAct))
	}
	var parts []string
	for _, g := range []words.Group{words.DoneGroup, words.NeedsYouGroup, words.RunningGroup, words.QueuedGroup, words.CancelledGroup} {
		if n := r.Totals.Groups[g]; n > 0 {
			parts = append(parts, g.Count(n))
		}
	}
	if len(parts) == 0 {
		parts = []string{"no task was there"}
	}
	lines = append(lines, strings.Join(parts, ", "))
	if r.Totals.Spared > 0 || r.Totals.Persons > 0 {
		lines = append(lines, fmt.Sprintf("muster stepped in %s by itself, persons %s", times(r.Totals.Spared), times(r.Totals.Persons)+where(r.Totals.Fronts)))
	}
	if u := r.Totals.Usage; u != (Usage{}) {
		lines = append(lines, "used "+usage(u))
	}
	for _, b := range r.Budgets {
		lines = append(lines, "budget "+text.Field(b.Text, maxAct))
	}
	if all := r.Until.Sub(r.Since).Hours() * float64(r.Slots.Total); all > 0 {
		lines = append(lines, fmt.Sprintf("slots were busy for %.0f%% of the time (%s, %d slots)", 100*r.Slots.Busy/all, hours(r.Slots.Busy), r.Slots.Total))
	}
	return lines
}

// where says how many of the times that persons asked something were elsewhere than on a command line.
func where(fronts map[event.Front]int) string {
	var parts []string
	for _, d := range []event.Front{event.FrontTop, event.FrontPage, event.FrontAPI, event.FrontNtfy} {
		if n := fronts[d]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, words.Front(d)))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func times(n int) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// usage describes tokens and money; money only if there was some.
func usage(u Usage) string {
	s := fmt.Sprintf("%s tokens in, %s out", short(u.InputTokens), short(u.OutputTokens))
	if u.CostUSD > 0 {
		s += fmt.Sprintf(", $%.2f", u.CostUSD)
	}
	return s
}

// short returns a number with at most three digits and a unit.
func short(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprint(n)
	case n < 1_000_000:
		return fmt.Sprintf("%.3gk", float64(n)/1000)
	}
	return fmt.Sprintf("%.3gM", float64(n)/1_000_000)
}

func hours(h float64) string { return fmt.Sprintf("%.1f slot-hours", h) }

// about returns the line about a task.
func (t Task) about() string {
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	switch t.Group {
	case words.DoneGroup:
		place := t.URL
		if place == "" {
			place = t.Branch
		}
		add(place)
		if t.Unchecked {
			add("NO CHECKS")
		} else {
			add(t.Checks)
		}
	default:
		why := string(t.State)
		if t.Detail != "" {
			why += ": " + t.Detail
		}
		add(why)
	}
	if t.Size != nil {
		add(t.Size.String())
	}
	if t.Usage.CostUSD > 0 {
		add(fmt.Sprintf("$%.2f", t.Usage.CostUSD))
	}
	return text.Field(strings.Join(parts, "; "), maxAct)
}

// warning returns what a person should know before the work of a task is used; "" is nothing.
func (t Task) warning() string {
	if len(t.Configures) == 0 || t.Group != words.DoneGroup {
		return ""
	}
	return text.Field("read before you use it, since it changes what runs later: "+text.Some(t.Configures, 3), maxAct)
}

// String returns the size as in "+12 -3 in 2 files".
func (s Size) String() string {
	return fmt.Sprintf("+%d -%d in %s", s.Added, s.Removed, words.Count(s.Files, "file"))
}

// steps returns the commands that continue a task, with what has to be done before them.
func (t Task) steps() []string {
	out := make([]string, len(t.Next))
	for i, c := range t.Next {
		out[i] = c
		if i < len(t.When) && t.When[i] != "" {
			out[i] += "   (" + t.When[i] + ")"
		}
	}
	return out
}

// of returns the tasks of a group.
func (r Report) of(g words.Group) []Task {
	var out []Task
	for _, t := range r.Tasks {
		if t.Group == g {
			out = append(out, t)
		}
	}
	return out
}

// lists are the groups whose tasks are listed.
var lists = []words.Group{words.NeedsYouGroup, words.DoneGroup, words.RunningGroup, words.CancelledGroup}

// free returns why slots were free, without what is too short to be shown.
func (r Report) free() []Idle {
	return slices.DeleteFunc(slices.Clone(r.Slots.Idle), func(i Idle) bool { return i.Hours < 0.05 })
}

// queue describes the tasks that wait for their turn; "" if there are none.
func (r Report) queue() string {
	n := r.Totals.Groups[words.QueuedGroup]
	if n == 0 {
		return ""
	}
	if n == 1 {
		return "1 task waits for its turn; `muster ls` lists it"
	}
	return fmt.Sprintf("%d tasks wait for their turn; `muster ls` lists them", n)
}

// clock returns the time of an act, with the day if the report is longer than one.
func (r Report) clock(t time.Time) string {
	t = t.In(r.Until.Location())
	if r.Until.Sub(r.Since) > 24*time.Hour {
		return t.Format("2 Jan 15:04")
	}
	return t.Format("15:04")
}

// listed returns the newest acts, and how many older ones are left out.
func (r Report) listed() (acts []Act, left int) {
	left = max(0, len(r.Acts)-mostActs)
	return r.Acts[left:], left
}

// earlier says how many acts are left out; "" if none are.
func earlier(left int) string {
	if left == 0 {
		return ""
	}
	return fmt.Sprintf("%d earlier ones: muster report --json", left)
}
