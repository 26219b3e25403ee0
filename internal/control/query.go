package control

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
	"muster/internal/lock"
	"muster/internal/store"
)

// Query is implemented by the types of this package that ask something; R is the type of the answer.
type Query[R any] interface {
	get(ctx context.Context, c *Control, db *store.Store) (R, error)
}

// Get answers a query. It changes nothing.
func Get[R any](ctx context.Context, c *Control, q Query[R]) (R, error) {
	db, err := c.open(ctx)
	if err != nil {
		var none R
		return none, err
	}
	return q.get(ctx, c, db)
}

// Tasks asks for the list of tasks: live and recently ended ones, or all.
type Tasks struct {
	All    bool
	States []event.State
}

func (q Tasks) get(ctx context.Context, _ *Control, db *store.Store) ([]store.Summary, error) {
	return db.List(ctx, store.ListFilter{All: q.All, States: q.States})
}

// Overview asks for the tasks of Tasks, but few of those that only wait for their turn or have ended.
type Overview struct {
	Most int // of those that wait, and of those that have ended
}

func (q Overview) get(ctx context.Context, _ *Control, db *store.Store) (TasksOverview, error) {
	return db.Overview(ctx, q.Most)
}

// TasksJSON asks for the same list as JSON and so avoids decoding.
type TasksJSON struct {
	All    bool
	States []event.State
}

func (q TasksJSON) get(ctx context.Context, _ *Control, db *store.Store) ([]json.RawMessage, error) {
	return db.ListJSON(ctx, store.ListFilter{All: q.All, States: q.States})
}

// One asks for a task by its id or an unambiguous beginning of its name.
type One struct{ Ref string }

func (q One) get(ctx context.Context, _ *Control, db *store.Store) (life.Task, error) {
	id, err := resolve(ctx, db, q.Ref)
	if err != nil {
		return life.Task{}, err
	}
	return db.Task(ctx, id)
}

// Detail asks for everything that is known about a task, named as in One.
type Detail struct{ Ref string }

// TaskDetail is everything that is known about a task except its events.
type TaskDetail struct {
	Task     life.Task
	Summary  store.Summary
	Prompt   string
	Attempts []store.AttemptRow
	Messages []store.MessageRow
	Rounds   []store.RoundRow
	// Configures are the changed files of the newest round's work that decide what runs later, such as rules of agents, hooks and
	// checks; nil if that is not known.
	Configures []Configuring
	Merge      string // where its work stands in its merge queue; "" if it does not wait there
}

func (q Detail) get(ctx context.Context, c *Control, db *store.Store) (d TaskDetail, err error) {
	if d.Task, err = One(q).get(ctx, c, db); err != nil {
		return d, err
	}
	d.Summary = store.Summarize(d.Task)
	if d.Prompt, err = db.Prompt(ctx, d.Task.ID); err != nil {
		return d, err
	}
	if d.Attempts, err = db.Attempts(ctx, d.Task.ID); err != nil {
		return d, err
	}
	if d.Messages, err = db.Messages(ctx, d.Task.ID); err != nil {
		return d, err
	}
	if d.Rounds, err = db.Rounds(ctx, d.Task.ID); err != nil {
		return d, err
	}
	d.Configures = c.configuresOf(ctx, d.Task, d.Rounds)
	d.Merge, err = mergeOf(ctx, db, d.Task)
	return d, err
}

// Events asks for events of the log up to the newest one, oldest first.
type Events struct {
	After  int64        // only those with a greater sequence number
	Before int64        // only those with a smaller sequence number; 0 is all
	Since  time.Time    // only those that happened then or later; zero is all
	Task   string       // only of this task, named as in One; "" is all tasks and the fleet
	Kinds  []event.Kind // nil is all
	Limit  int          // 0 is no limit
	Newest bool         // the newest first
}

func (q Events) get(ctx context.Context, c *Control, db *store.Store) (iter.Seq2[event.Event, error], error) {
	f := store.EventFilter{After: q.After, Before: q.Before, Kinds: q.Kinds, Limit: q.Limit, Newest: q.Newest}
	if !q.Since.IsZero() {
		before, err := db.SeqAt(ctx, q.Since)
		if err != nil {
			return nil, err
		}
		f.After = max(f.After, before)
	}
	if q.Task != "" {
		t, err := (One{Ref: q.Task}).get(ctx, c, db)
		if err != nil {
			return nil, err
		}
		f.Task = t.ID
	}
	return db.Events(ctx, f), nil
}

// Health asks for the state of the fleet as a whole.
type Health struct{}

// FleetHealth is the state of the fleet as a whole.
type FleetHealth struct {
	Fleet store.FleetRow
	// Running reports whether a process holds the supervisor's lock now; Fleet is what the log says.
	Running bool
	Counts  map[event.State]int // tasks by state, removed ones left out
	LastSeq int64
}

func (Health) get(ctx context.Context, c *Control, db *store.Store) (h FleetHealth, err error) {
	if h.Fleet, err = db.Fleet(ctx); err != nil {
		return h, err
	}
	if h.Counts, err = db.Counts(ctx); err != nil {
		return h, err
	}
	if h.LastSeq, err = db.LastSeq(ctx); err != nil {
		return h, err
	}
	h.Running, err = lock.Held(c.home.Lock())
	return h, err
}

// listed is the number of tasks that are listed for an ambiguous name.
const listed = 10

// resolve returns the id of the task that a person named. A word that looks like an id is an id, even if a task has
// such a name.
func resolve(ctx context.Context, db *store.Store, ref string) (event.TaskID, error) {
	if event.IsTaskID(ref) {
		return event.TaskID(ref), nil
	}
	if strings.TrimSpace(ref) == "" {
		return "", fault.New(fault.Usage, "the name of the task is empty").WithHint("Give an id such as t12; `muster ls` shows them.")
	}
	found, err := db.FindByName(ctx, ref)
	if err != nil {
		return "", err
	}
	var exact []store.Named
	for _, n := range found {
		if n.Name == ref {
			exact = append(exact, n)
		}
	}
	if len(exact) > 0 { // a complete name precedes the beginning of another
		found = exact
	}
	switch len(found) {
	case 0:
		return "", fault.New(fault.NotFound, "there is no task %q", ref).WithHint("`muster ls --all` lists every task.")
	case 1:
		return found[0].ID, nil
	}
	var list []string
	for _, n := range found[:min(len(found), listed)] {
		list = append(list, fmt.Sprintf("%s %q", n.ID, n.Name))
	}
	if len(found) > listed {
		list = append(list, fmt.Sprintf("and %d more", len(found)-listed))
	}
	return "", fault.New(fault.Usage, "%q could be %s", ref, strings.Join(list, ", ")).WithHint("Give the id.")
}
