package control

import (
	"context"
	"iter"
	"time"

	"muster/internal/event"
	"muster/internal/life"
	"muster/internal/store"
)

// Why asks for the decisions that led to a task's state.
type Why struct{ Ref string } // named as in One

// History is the decisions about a task, oldest first.
type History struct {
	Task      life.Task
	Decisions []Decision
}

// Decision is one decision about a task: the facts, the rule, the actions and their results.
type Decision struct {
	Seq   int64
	Time  time.Time
	Facts []event.Event    // facts and requests since the previous decision
	Move  *event.TaskMoved // the rule and the states; nil if the state did not change
	Acts  []Act
}

// Act is something that the supervisor did, and its result.
type Act struct {
	Action event.Action
	Begun  time.Time
	Ended  time.Time // zero: not yet
	Error  string
}

func (q Why) get(ctx context.Context, c *Control, db *store.Store) (h History, err error) {
	if h.Task, err = One(q).get(ctx, c, db); err != nil {
		return h, err
	}
	h.Decisions, err = Decisions(db.Events(ctx, store.EventFilter{Task: h.Task.ID}))
	return h, err
}

// Decisions groups the events of one task by decision.
func Decisions(events iter.Seq2[event.Event, error]) ([]Decision, error) {
	var g gatherer
	for e, err := range events {
		if err != nil {
			return nil, err
		}
		g.take(e)
	}
	return g.end(), nil
}

// gatherer groups the events of a task by decision. In the log the facts come before the decision and the actions
// after it.
type gatherer struct {
	all   []Decision
	facts []event.Event
}

func (g *gatherer) take(e event.Event) {
	switch p := e.Data.(type) {
	case event.TaskMoved:
		g.begin(e)
		g.all[len(g.all)-1].Move = &p
	case event.ActionIntended:
		if len(g.facts) > 0 || len(g.all) == 0 {
			g.begin(e)
		}
		d := &g.all[len(g.all)-1]
		d.Acts = append(d.Acts, Act{Action: p.Action, Begun: e.Time})
	case event.ActionFinished:
		g.finished(e, p)
	case event.DeadlineSet, event.DeadlineCleared, event.UsageRecorded, event.SlotReleased, event.MessageMoved:
		// These follow from other events that are shown.
	default:
		g.facts = append(g.facts, e)
	}
}

// begin starts a decision with the facts since the previous one.
func (g *gatherer) begin(e event.Event) {
	g.all = append(g.all, Decision{Seq: e.Seq, Time: e.Time, Facts: g.facts})
	g.facts = nil
}

// finished records the result of an act. It is also a fact for the next decision.
func (g *gatherer) finished(e event.Event, p event.ActionFinished) {
	for i := range g.all {
		for j := range g.all[i].Acts {
			if a := &g.all[i].Acts[j]; a.Action.ID == p.ID {
				a.Ended, a.Error = e.Time, p.Error
			}
		}
	}
	g.facts = append(g.facts, e)
}

// end returns the decisions. If there were facts after the last one, they form a decision of their own.
func (g *gatherer) end() []Decision {
	if len(g.facts) > 0 {
		last := g.facts[len(g.facts)-1]
		g.begin(event.Event{Seq: last.Seq, Time: last.Time})
	}
	return g.all
}
