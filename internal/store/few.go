package store

import (
	"maps"
	"slices"

	"muster/internal/event"
	"muster/internal/life"
)

// kind is a kind of subject of which a fleet has few: accounts, and merge queues.
type kind[ID ~string, T any] struct {
	read      func(Batch) ([]T, error)
	id        func(T) ID
	first     func(ID) T // the fold of no event
	fold      func(T, event.Event) T
	deadlines func(T) []life.Deadline
	subject   func(ID) event.Subject
}

var (
	accountKind = kind[event.AccountID, life.Account]{
		read: Batch.Accounts, id: func(a life.Account) event.AccountID { return a.ID },
		first: func(id event.AccountID) life.Account { return life.Account{ID: id} }, fold: life.ApplyAccount,
		deadlines: func(a life.Account) []life.Deadline { return a.Deadlines }, subject: event.OfAccount,
	}
	queueKind = kind[event.QueueID, life.Queue]{
		read: Batch.Queues, id: func(q life.Queue) event.QueueID { return q.ID },
		first: func(id event.QueueID) life.Queue { return life.Queue{ID: id} }, fold: life.ApplyQueue,
		deadlines: func(q life.Queue) []life.Deadline { return q.Deadlines }, subject: event.OfQueue,
	}
)

// few is the subjects of a kind within a transaction: all of them, once one is needed.
type few[ID ~string, T any] struct {
	kind[ID, T]
	all     map[ID]T    // nil until they are read; the supervisor's Writer keeps them
	altered map[ID]bool // folded and not written yet
}

func (f *few[ID, T]) load(b Batch) error {
	if f.all != nil {
		return nil
	}
	all, err := f.read(b)
	if err != nil {
		return err
	}
	f.all = map[ID]T{}
	for _, x := range all {
		f.all[f.id(x)] = x
	}
	return nil
}

// get returns the current fold of a subject, and whether it has events.
func (f *few[ID, T]) get(b Batch, id ID) (T, bool, error) {
	if err := f.load(b); err != nil {
		return f.first(id), false, err
	}
	x, ok := f.all[id]
	if !ok {
		x = f.first(id)
	}
	return x, ok, nil
}

// sorted returns all subjects that have events, by name.
func (f *few[ID, T]) sorted(b Batch) ([]T, error) {
	if err := f.load(b); err != nil {
		return nil, err
	}
	out := make([]T, 0, len(f.all))
	for _, id := range slices.Sorted(maps.Keys(f.all)) {
		out = append(out, f.all[id])
	}
	return out, nil
}

// append folds an event into its subject, which exists from its first event on.
func (f *few[ID, T]) append(b Batch, id ID, e event.Event) error {
	x, _, err := f.get(b, id)
	if err != nil {
		return err
	}
	if f.altered == nil {
		f.altered = map[ID]bool{}
	}
	f.all[id], f.altered[id] = f.fold(x, e), true
	return nil
}

// unwritten returns the subjects that were folded and not written yet.
func (f *few[ID, T]) unwritten() (out []T) {
	for id := range f.altered {
		out = append(out, f.all[id])
	}
	return out
}

// timed calls yield with each subject and its deadlines, by name.
func (f *few[ID, T]) timed(b Batch, yield func(event.Subject, []life.Deadline)) error {
	all, err := f.sorted(b)
	for _, x := range all {
		yield(f.subject(f.id(x)), f.deadlines(x))
	}
	return err
}
