package control

import (
	"context"
	"slices"
	"strings"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/intake"
	"muster/internal/life"
	"muster/internal/store"
	"muster/internal/text"
)

// Dispatch queues tasks, all of them or none.
type Dispatch struct {
	Tasks []intake.Task
}

func (d Dispatch) do(ctx context.Context, of *Control) (Outcome, error) {
	return of.ask(ctx, func(tx *store.Tx, _ event.Front) (Outcome, error) { return d.request(tx, of.caller.Tell) })
}

func (d Dispatch) request(tx *store.Tx, tell func(format string, args ...any)) (out Outcome, err error) {
	if len(d.Tasks) == 0 {
		return out, fault.New(fault.Usage, "there is no task to dispatch").WithHint("Give a prompt, or a file with tasks.")
	}
	ids := make([]event.TaskID, len(d.Tasks))
	for i := range ids {
		ids[i] = tx.NewTaskID()
	}
	races := map[int][]event.TaskID{}
	for i, n := range d.Tasks {
		races[n.Race] = append(races[n.Race], ids[i])
	}
	refs := references{tx: tx, all: d.Tasks, named: map[string][]event.TaskID{}, mine: map[event.TaskID]bool{}}
	for i, n := range d.Tasks {
		if i%1000 == 0 && len(d.Tasks) > 1 {
			tell("queueing task %d of %d", i+1, len(d.Tasks))
		}
		p, err := refs.resolve(i, n)
		if err != nil {
			return out, err
		}
		if n.Race > 0 {
			p.Spec.Race = &event.Race{Tasks: races[n.Race]}
		}
		if _, err := tx.Append(ids[i], 0, p); err != nil {
			return out, err
		}
		refs.add(n.Spec.Name, ids[i])
	}
	return Outcome{Task: refs.ids[0], Tasks: refs.ids}, nil
}

// references resolves the references of a dispatch's tasks to each other and to existing tasks.
type references struct {
	tx  *store.Tx
	all []intake.Task
	// The tasks that were appended already: their ids in order, the ids of each name, and the set of ids.
	ids   []event.TaskID
	named map[string][]event.TaskID
	mine  map[event.TaskID]bool
}

func (r *references) add(name string, id event.TaskID) {
	r.ids = append(r.ids, id)
	r.named[name] = append(r.named[name], id)
	r.mine[id] = true
}

func (r *references) resolve(i int, n intake.Task) (p event.DispatchRequested, err error) {
	if p.Prompt, err = plain("the prompt", n.Prompt, MaxPrompt); err != nil {
		return p, r.at(i, err)
	}
	p.Spec = n.Spec
	p.Spec.After = nil
	for _, ref := range slices.Concat(idsAsRefs(n.Spec.After), n.AfterRefs) {
		id, err := r.find(i, ref)
		if err != nil {
			return p, r.at(i, err)
		}
		if !slices.Contains(p.Spec.After, id) {
			p.Spec.After = append(p.Spec.After, id)
		}
	}
	if ref, ok := strings.CutPrefix(n.Spec.Base, "@"); ok {
		id, err := r.find(i, ref)
		if err != nil {
			return p, r.at(i, err)
		}
		p.Spec.Base = "@" + string(id)
	}
	return p, nil
}

// at adds the number and name of a task to an error, if the dispatch has several.
func (r *references) at(i int, err error) error {
	if len(r.all) == 1 {
		return err
	}
	return fault.Wrap(fault.CodeOf(err), err, "task %d (%s)", i+1, r.all[i].Spec.Name)
}

// find returns the id of a task that task i refers to.
func (r *references) find(i int, ref string) (event.TaskID, error) {
	if event.IsTaskID(ref) {
		t, ok, err := r.tx.Task(event.TaskID(ref))
		if err == nil && (!ok || r.mine[event.TaskID(ref)]) { // an id of this dispatch can only be guessed
			err = noTask(event.TaskID(ref))
		}
		if err == nil {
			err = racing(t)
		}
		return event.TaskID(ref), err
	}
	found := r.named[ref]
	switch {
	case len(found) == 1 && r.all[slices.Index(r.ids, found[0])].Race > 0:
		return "", fault.New(fault.Conflict, "%q races against others, and which of them is published is not known yet", ref).
			WithHint("Dispatch what comes after it once its race is over.")
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return "", fault.New(fault.Usage, "%d tasks of this dispatch have the name %q", len(found), ref).
			WithHint("Give them different names.")
	case r.all[i].Spec.Name == ref:
		return "", fault.New(fault.Usage, "it refers to itself").WithHint("A task can only wait for others.")
	case slices.ContainsFunc(r.all[i:], func(n intake.Task) bool { return n.Spec.Name == ref }):
		return "", fault.New(fault.Usage, "it refers to %q, which comes after it", ref).
			WithHint("Put each task below those it refers to. Tasks that wait for each other in a circle have no such order.")
	}
	return "", fault.New(fault.NotFound, "there is no task %q", ref).
		WithHint("Give an id such as t12, or the name of a task that comes earlier in the same file.")
}

// racing returns an error for a task that may not be the one of its race that is published: nothing can come after it or start
// from it.
func racing(t life.Task) error {
	switch {
	case t.Spec.Race == nil:
		return nil
	case t.Race == nil:
		return fault.New(fault.Conflict, "%s races against %s, and which of them is published is not known yet", t.ID, text.Some(t.Spec.Race.Others(t.ID), maxListed)).
			WithHint("Wait for it: muster wait --any %s", strings.Join(idsAsRefs(t.Spec.Race.Tasks), " "))
	case t.Race.Winner != t.ID:
		return fault.New(fault.Conflict, "%s has lost its race, and %s is published", t.ID, t.Race.Winner).WithHint("Name %s.", t.Race.Winner)
	}
	return nil
}

func idsAsRefs(ids []event.TaskID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return out
}
