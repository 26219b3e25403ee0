package control

import (
	"context"
	"iter"
	"time"

	"muster/internal/event"
	"muster/internal/store"
	"muster/internal/words"
)

// Follow is a list of tasks that is kept up to date: what a screen or a page shows.
type Follow struct {
	// Most is the number of listed tasks that only wait, and of those that have ended; the others are counted.
	Most int
}

// Change is what has changed in a fleet since the Change before.
type Change struct {
	Seq int64 // the newest event of which the effect is in the tasks
	// Tasks have changed. With All they are the whole list and replace it. A removed task has Removed set.
	Tasks []Summary
	All   bool
	// Waiting and Ended are the numbers of tasks that are not in the list: of those that wait for their turn, and of those that
	// ended lately.
	Waiting, Ended int
	Fleet          FleetStatus
	Trouble        []string // what is wrong with the fleet itself
	// Seen has the tasks at which a person has looked, with Summary.ChangedAt as it was then.
	Seen map[event.TaskID]time.Time
}

const (
	// pace is the least time between two changes. A list that changes more often cannot be read.
	pace = 100 * time.Millisecond
	// freshStatus is how long the state of the fleet counts when no event has been written; the heartbeat writes none.
	freshStatus = 10 * time.Second
	// freshList is how long a list counts from which nothing but the passing of a day removes tasks.
	freshList = 10 * time.Minute
)

// followAgain is the pause after a Follow that ended.
const followAgain = 2 * time.Second

// FollowOn calls take with what Follow yields until ctx ends. It goes on after errors.
func (c *Control) FollowOn(ctx context.Context, q Follow, take func(Change, error)) {
	for ctx.Err() == nil {
		for change, err := range c.Follow(ctx, q) {
			take(change, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(followAgain):
		}
	}
}

// Follow returns the list of tasks, and then what changes. The first Change has all tasks. It ends when ctx does, or with an
// error, after which it can be called again.
func (c *Control) Follow(ctx context.Context, q Follow) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		db, err := c.open(ctx)
		if err != nil {
			yield(Change{}, err)
			return
		}
		defer c.lookout.join(db)()
		f := follower{c: c, db: db, most: max(q.Most, 1)}
		for {
			due := c.lookout.next()
			change, news, err := f.look(ctx)
			if ctx.Err() != nil || news && !yield(change, nil) {
				return
			}
			if err != nil {
				yield(Change{}, err)
				return
			}
			paced := time.After(pace)
			select {
			case <-ctx.Done():
				return
			case <-due:
			}
			select { // what is written meanwhile belongs to the same change
			case <-ctx.Done():
				return
			case <-paced:
			}
		}
	}
}

// follower is how far one reader of Follow is.
type follower struct {
	c    *Control
	db   *store.Store
	most int

	seq    int64
	listed map[event.TaskID]event.State
	left   int       // of the tasks that wait, those that are not listed
	ended  int       // the same of those that have ended
	list   time.Time // when the whole list was read
	status time.Time // when the state of the fleet was read
}

// look returns the next change. news is false if there is none.
func (f *follower) look(ctx context.Context) (change Change, news bool, err error) {
	now := time.Now()
	ids, seq, err := f.db.Changed(ctx, f.seq)
	switch {
	case err != nil:
		return change, false, err
	case f.listed == nil || len(ids) > f.most || len(f.listed) > 4*f.most+len(ids) || now.Sub(f.list) > freshList || f.left > 0 && f.listedWaiting() < f.most/2:
		if change, err = f.all(ctx, now); err != nil {
			return change, false, err
		}
	case seq == f.seq && now.Sub(f.status) < freshStatus:
		return change, false, nil
	default:
		if change.Tasks, err = f.db.Summaries(ctx, ids); err != nil {
			return change, false, err
		}
		for _, t := range change.Tasks {
			if f.listed[t.ID] = t.State; t.Removed {
				delete(f.listed, t.ID)
			}
		}
	}
	f.seq, f.status, change.Seq = seq, now, seq
	change.Ended = f.ended
	if err := f.fleet(ctx, &change); err != nil {
		return change, false, err
	}
	waiting := change.Fleet.Tasks[event.Queued] + change.Fleet.Tasks[event.Blocked]
	f.left = max(0, waiting-f.listedWaiting())
	change.Waiting = f.left
	return change, true, nil
}

// all reads the whole list.
func (f *follower) all(ctx context.Context, now time.Time) (Change, error) {
	o, err := f.db.Overview(ctx, f.most)
	if err != nil {
		return Change{}, err
	}
	f.list, f.ended, f.listed = now, o.Ended, make(map[event.TaskID]event.State, len(o.Tasks))
	for _, t := range o.Tasks {
		f.listed[t.ID] = t.State
	}
	return Change{Tasks: o.Tasks, All: true}, nil
}

// listedWaiting returns how many of the listed tasks wait for their turn.
func (f *follower) listedWaiting() (n int) {
	for _, state := range f.listed {
		if words.GroupOf(state) == words.QueuedGroup {
			n++
		}
	}
	return n
}

// fleet adds the state of the fleet to a change.
func (f *follower) fleet(ctx context.Context, change *Change) error {
	fleet, err := f.c.fleet()
	if err != nil {
		return err
	}
	if change.Fleet, err = f.c.status(ctx, fleet, f.db); err != nil {
		return err
	}
	change.Trouble = trouble(change.Fleet)
	change.Seen, err = f.db.Seen(ctx)
	return err
}

// MarkSeen notes that a person has looked at a task as it was since changed, for every front end.
func (c *Control) MarkSeen(ctx context.Context, id event.TaskID, changed time.Time) error {
	db, err := c.open(ctx)
	if err != nil {
		return err
	}
	return db.Request(ctx, func(tx *store.Tx) error {
		if _, err := task(tx, id); err != nil {
			return err
		}
		tx.MarkSeen(id, changed)
		return nil
	})
}
