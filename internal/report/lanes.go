package report

import (
	"slices"
	"time"

	"muster/internal/event"
)

// Lane is what one task did in a time.
type Lane struct {
	Task  event.TaskID
	Name  string
	State event.State // at the end
	Spans []Span      // in order, without gaps, from when the task was queued or the time began
	Red   int         // rounds of checks that failed
	Gens  int         // agents that were started
	Cost  float64     // of all its conversations, in dollars
	About string      // one line for people
}

// Span is a time in which a task did not change its state.
type Span struct {
	State       event.State
	From, Until time.Time
}

// Gap is a time in which nobody watched the fleet.
type Gap struct {
	From, Until time.Time
	Why         string
}

// LaneTask is what a Timeline has to know about a task besides its events.
type LaneTask struct {
	ID     event.TaskID
	Name   string
	State  event.State
	Queued time.Time
	Cost   float64
	About  string
}

// Timeline makes lanes from the events of a time, which are added oldest first.
type Timeline struct {
	moves   map[event.TaskID][]event.Event
	red     map[event.TaskID]int
	gens    map[event.TaskID]int
	gaps    []Gap
	stopped time.Time
}

// TimelineKinds are the kinds of events that a Timeline needs.
func TimelineKinds() []event.Kind {
	return []event.Kind{
		event.TaskMoved{}.Kind(), event.RoundFinished{}.Kind(), event.GenerationStarted{}.Kind(),
		event.SupervisorStarted{}.Kind(), event.SupervisorStopped{}.Kind(), event.HostSlept{}.Kind(),
	}
}

// Add adds an event.
func (t *Timeline) Add(e event.Event) {
	if t.moves == nil {
		t.moves, t.red, t.gens = map[event.TaskID][]event.Event{}, map[event.TaskID]int{}, map[event.TaskID]int{}
	}
	switch p := e.Data.(type) {
	case event.TaskMoved:
		t.moves[e.Task] = append(t.moves[e.Task], e)
	case event.RoundFinished:
		if slices.ContainsFunc(p.Results, func(c event.CheckResult) bool { return !c.Green() }) {
			t.red[e.Task]++
		}
	case event.GenerationStarted:
		t.gens[e.Task]++
	case event.SupervisorStopped:
		t.stopped = e.Time
	case event.SupervisorStarted:
		if !t.stopped.IsZero() {
			t.gaps = append(t.gaps, Gap{From: t.stopped, Until: e.Time, Why: "no supervisor ran"})
			t.stopped = time.Time{}
		}
	case event.HostSlept:
		t.gaps = append(t.gaps, Gap{From: e.Time.Add(-p.Gap), Until: e.Time, Why: "the machine slept"})
	}
}

// Gaps returns the times between since and until in which nobody watched.
func (t *Timeline) Gaps(since, until time.Time) (out []Gap) {
	gaps := t.gaps
	if !t.stopped.IsZero() {
		gaps = append(slices.Clone(gaps), Gap{From: t.stopped, Until: until, Why: "no supervisor ran"})
	}
	for _, g := range gaps {
		if g.From.Before(since) {
			g.From = since
		}
		if g.Until.After(until) {
			g.Until = until
		}
		if g.Until.After(g.From) {
			out = append(out, g)
		}
	}
	return out
}

// Lanes returns the lanes of tasks between since and until, in the given order. A task that did nothing but wait has none.
func (t *Timeline) Lanes(since, until time.Time, tasks []LaneTask) (out []Lane) {
	for _, task := range tasks {
		lane := Lane{Task: task.ID, Name: task.Name, State: task.State, Red: t.red[task.ID], Gens: t.gens[task.ID], Cost: task.Cost, About: task.About}
		from, state := task.Queued, task.State
		if from.Before(since) {
			from = since
		}
		moves := t.moves[task.ID]
		if len(moves) > 0 {
			if p, ok := moves[0].Data.(event.TaskMoved); ok {
				state = p.From
			}
		} else if state.Final() {
			continue // it ended before
		}
		for _, e := range moves {
			p, ok := e.Data.(event.TaskMoved)
			if !ok || e.Time.After(until) {
				continue
			}
			lane.span(state, from, e.Time)
			if from, state = e.Time, p.To; from.Before(since) {
				from = since
			}
		}
		if !state.Final() {
			lane.span(state, from, until)
		} else {
			lane.Spans = append(lane.Spans, Span{State: state, From: from, Until: from})
		}
		if lane.busy() {
			out = append(out, lane)
		}
	}
	return out
}

// span adds a span, which may be of no length if the clock was set back. An empty state is that of a task before its first event.
func (l *Lane) span(state event.State, from, until time.Time) {
	if state == "" || until.Before(from) {
		return
	}
	l.Spans = append(l.Spans, Span{State: state, From: from, Until: until})
}

// busy reports whether the task did more than wait for its turn.
func (l *Lane) busy() bool {
	return slices.ContainsFunc(l.Spans, func(s Span) bool { return s.State != event.Queued && s.State != event.Blocked })
}
