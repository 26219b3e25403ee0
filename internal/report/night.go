package report

import (
	"cmp"
	"fmt"
	"time"

	"muster/internal/event"
	"muster/internal/text"
	"muster/internal/words"
)

// Night collects what a report needs from the events of a time, which are added oldest first.
type Night struct {
	// Until is the end of the night. Later events only say how the slots were used before; zero means that there are none.
	Until   time.Time
	acts    []Act
	persons int
	fronts  map[event.Front]int // where persons asked, as far as it is known
	slots   ledger
	down    map[event.TaskID]bool   // tasks of which an act is under way that lacks something
	verdict map[event.TaskID]string // the newest verdict of tasks whose agent was not told it yet
}

// Kinds are the kinds of events that a Night needs. The others, most of all reports of agents, can be left out.
func Kinds() []event.Kind {
	var out []event.Kind
	for _, p := range []event.Payload{
		event.DispatchRequested{},
		event.SendRequested{},
		event.AnswerRequested{},
		event.InterruptRequested{},
		event.StopRequested{},
		event.RetryRequested{},
		event.TaskMoved{},
		event.GenerationStarted{},
		event.StallStaged{},
		event.MessageQueued{},
		event.RoundFinished{},
		event.PermissionDecided{},
		event.ActionPutOff{},
		event.ActionFinished{},
		event.StashKept{},
		event.WorktreeRemoved{},
		event.SlotGranted{},
		event.SlotReleased{},
		event.GateClosed{},
		event.GateOpened{},
		event.AccountRested{},
		event.AccountWoke{},
		event.SupervisorStarted{},
		event.SupervisorStopped{},
		event.UpgradeRolledBack{},
	} {
		out = append(out, p.Kind())
	}
	return out
}

// asked counts something that a person asked of a task.
func (n *Night) asked(front event.Front) {
	n.persons++
	if front == "" { // of an older version
		return
	}
	if n.fronts == nil {
		n.fronts = map[event.Front]int{}
	}
	n.fronts[front]++
}

// Add adds an event.
func (n *Night) Add(e event.Event) {
	n.slots.add(e)
	if !n.Until.IsZero() && e.Time.After(n.Until) {
		return
	}
	switch p := e.Data.(type) {
	case event.SendRequested:
		n.asked(p.Front)
	case event.AnswerRequested:
		n.asked(p.Front)
	case event.InterruptRequested:
		n.asked(p.Front)
	case event.StopRequested:
		n.asked(p.Front)
	case event.RetryRequested:
		n.asked(p.Front)
	case event.MessageQueued:
		if p.Why == event.WhyFeedback {
			n.did(e, ActFeedback, "told the agent: "+cmp.Or(n.verdict[e.Task], words.FirstLine(p.Text)))
		}
		delete(n.verdict, e.Task)
	case event.RoundFinished:
		if n.verdict == nil {
			n.verdict = map[event.TaskID]string{}
		}
		n.verdict[e.Task] = words.Round(p)
	case event.GenerationStarted:
		if p.Why != event.WhyFirst && p.Why != event.WhyRetry && p.Why != event.WhyFeedback && p.Why != event.WhyMessage {
			n.did(e, ActRestart, fmt.Sprintf("started the agent again, attempt %d: %s", p.Attempt, words.Why(p.Why)))
		}
	case event.StallStaged:
		if p.Stage != event.StageRestart { // which is told by its generation
			n.did(e, ActNudge, map[event.Stage]string{
				event.StageNudge: "told a silent agent to go on", event.StageInterrupt: "interrupted an agent that stayed silent",
			}[p.Stage])
		}
	case event.PermissionDecided:
		n.did(e, ActPermission, words.Permission(p))
	case event.TaskMoved:
		if p.To == event.InReview { // what is told from now on comes from the review
			delete(n.verdict, e.Task)
		}
		if p.To == event.Limited {
			n.did(e, ActLimit, cmp.Or(p.Detail, "waited for a usage limit"))
		}
	case event.AccountRested:
		if p.Cause == event.RestBudget {
			n.did(e, ActLimit, words.Event(e))
		}
	case event.ActionPutOff:
		n.lacks(e, p)
	case event.ActionFinished:
		delete(n.down, e.Task)
	case event.StashKept:
		n.did(e, ActRescue, "kept an entry that vanished from the stash under "+p.Ref)
	case event.WorktreeRemoved:
		if p.SetAside != "" {
			n.did(e, ActRescue, "set files aside that it could neither keep nor remove: "+p.SetAside)
		}
	case event.SupervisorStarted:
		if p.Adopted > 0 {
			n.did(e, ActFleet, "a new supervisor took over "+words.Count(p.Adopted, "agent"))
		}
	case event.UpgradeRolledBack:
		n.did(e, ActFleet, "went back to "+p.From+" from an upgrade: "+p.Why)
	}
}

// lacks adds the first time that an act of a task lacks something.
func (n *Night) lacks(e event.Event, p event.ActionPutOff) {
	if n.down[e.Task] {
		return
	}
	if n.down == nil {
		n.down = map[event.TaskID]bool{}
	}
	n.down[e.Task] = true
	n.did(e, ActShortage, "waited, and tried again: "+p.Why)
}

// maxAct is the maximum length of the text of an act in bytes.
const maxAct = 300

func (n *Night) did(e event.Event, kind ActKind, what string) {
	n.acts = append(n.acts, Act{Time: e.Time, Task: e.Task, Kind: kind, Text: text.Field(what, maxAct)})
}

// World is the state of the fleet at the end of a night.
type World struct {
	Since, Until time.Time
	Slots, Used  int // slots of the fleet, and those in use
	Counts       map[event.State]int
	Gate         string // why nothing new starts; "" if tasks may start
	Budgets      []Budget
	Merges       []Merge
	Running      bool // whether a supervisor runs
	Trouble      []string
}

// Report returns the report of the night: what was collected, the fleet at its end, and its tasks.
func (n *Night) Report(w World, tasks []Task) Report {
	r := Report{
		Since: w.Since, Until: w.Until, Trouble: orEmpty(w.Trouble), Tasks: orEmpty(tasks), Acts: orEmpty(n.acts),
		Totals: Totals{Groups: map[words.Group]int{}, Persons: n.persons, Fronts: n.fronts},
		Slots:  n.slots.sum(w), Budgets: w.Budgets, Merges: w.Merges,
	}
	for _, a := range n.acts {
		if a.Kind != ActFleet {
			r.Totals.Spared++
		}
	}
	for _, g := range words.Groups() {
		r.Totals.Groups[g] = 0
	}
	for state, count := range w.Counts {
		if g := words.GroupOf(state); g == words.QueuedGroup {
			r.Totals.Groups[g] += count
		}
	}
	for _, t := range tasks {
		r.Totals.Groups[t.Group]++
		r.Totals.Usage.InputTokens += t.Usage.InputTokens
		r.Totals.Usage.OutputTokens += t.Usage.OutputTokens
		r.Totals.Usage.CostUSD += t.Usage.CostUSD
	}
	return r
}

// orEmpty returns an empty list for nil, so that scripts get [] and never null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
