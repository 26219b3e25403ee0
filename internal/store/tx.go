package store

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// Begin opens the one write transaction that a log has at a time, and waits for others. A durable transaction
// survives a power failure after its commit.
type Begin func(ctx context.Context, durable bool) (Batch, error)

// Batch is an open write transaction of a log, which a Tx uses. Its reads see its own writes. It ends with exactly
// one call of Commit or Rollback.
type Batch interface {
	Head() Head
	Task(id event.TaskID) (life.Task, bool, error)
	// Live returns the tasks that need a supervisor, oldest first.
	Live() ([]life.Task, error)
	Accounts() ([]life.Account, error)
	Queues() ([]life.Queue, error)
	// Line returns up to n tasks that wait for a slot, in the order of life.CompareLine. If after is not nil, it
	// begins after that task.
	Line(after *life.Task, n int) ([]life.Task, error)
	// Unsettled returns up to n tasks whose dependencies may be settled, oldest first.
	Unsettled(n int) ([]life.Task, error)
	// Timed returns the tasks that have a deadline not after the given time, oldest first.
	Timed(until time.Time) ([]life.Task, error)
	// NextDue returns the earliest deadline of all tasks; zero if there is none.
	NextDue() (time.Time, error)
	// After returns the events after seq without those that dispatch a task, and whether there are such events.
	After(seq int64) (events []event.Event, births bool, err error)
	Offset(source string) (int64, error)
	Write(c Changes) error
	Commit() error
	Rollback()
}

// Head is the state of a log when a transaction begins.
type Head struct {
	Seq      int64 // of the newest event
	LastTask int   // the highest number of a task
	Cursor   int64 // the newest event that the supervisor has folded and committed
}

// Changes are the changes that a transaction writes at once.
type Changes struct {
	Events   []Record
	Tasks    []life.Task // in the order of their ids
	Accounts []life.Account
	Queues   []life.Queue
	Counts   map[event.State]int // by how much the number of tasks in a state changes
	Offsets  map[string]int64
	Cursor   int64 // 0 leaves it unchanged
}

// Record is an event with its encoded payload.
type Record struct {
	event.Event
	Data []byte
}

// Tx is one transaction over the log. An appended event is folded at once, and either all events are committed or
// none. A Tx is valid only within the function that it is passed to, and for one goroutine. The tasks that it returns
// share their slices, so nothing in them may be changed in place.
type Tx struct {
	batch    Batch
	now      time.Time
	head     Head
	base     *liveSet                    // live tasks when the transaction began; nil until needed
	touched  map[event.TaskID]*life.Task // tasks read or folded in this transaction
	changed  map[event.TaskID]bool       // tasks folded in this transaction
	accounts few[event.AccountID, life.Account]
	queues   few[event.QueueID, life.Queue]
	foreign  []event.Event
	births   bool // other processes have dispatched tasks
	// dirty has the tasks folded and not written yet, with the state under which each is counted in the log.
	dirty   map[event.TaskID]event.State
	events  []Record         // not written yet
	offsets map[string]int64 // not written yet
	wrote   bool
	err     error // a write failed, or a read without an error result: the transaction must not commit
}

// pageOfWrites is how many events a transaction holds before it writes them.
const pageOfWrites = 512

func newTx(b Batch, now time.Time) *Tx {
	return &Tx{
		batch: b, head: b.Head(), now: now.Round(0).UTC(),
		touched: map[event.TaskID]*life.Task{}, changed: map[event.TaskID]bool{}, dirty: map[event.TaskID]event.State{}, offsets: map[string]int64{},
		accounts: few[event.AccountID, life.Account]{kind: accountKind}, queues: few[event.QueueID, life.Queue]{kind: queueKind},
	}
}

// Now returns the time of the transaction, which is the time of every event that it appends.
func (tx *Tx) Now() time.Time { return tx.now }

// Seq returns the sequence number of the newest event, including those of this transaction.
func (tx *Tx) Seq() int64 { return tx.head.Seq }

// Foreign returns the events that other processes appended since the supervisor's last Update, oldest first. They are
// already folded. For a new supervisor they include those from the time without one. Events that dispatch a task are
// left out, see Births. Only a transaction of a Writer has any.
func (tx *Tx) Foreign() []event.Event { return tx.foreign }

// Births reports whether other processes dispatched tasks since the supervisor's last Update. Line and Unsettled
// return the tasks.
func (tx *Tx) Births() bool { return tx.births }

// Append writes an event of a task, or of the fleet if task is "". It is AppendTo for these two.
func (tx *Tx) Append(task event.TaskID, gen int, p event.Payload) (event.Event, error) {
	return tx.AppendTo(event.OfTask(task), gen, p)
}

// AppendTo writes an event and folds it into its subject. It returns the event as a reader of the log will see it,
// with its payload encoded to JSON and decoded. The task must exist, unless p is a DispatchRequested, whose task must
// not exist. After an error about the event nothing has been appended, and the transaction may continue. It may not
// continue after an error of the disk.
func (tx *Tx) AppendTo(of event.Subject, gen int, p event.Payload) (event.Event, error) {
	data, err := json.Marshal(p)
	if err != nil {
		return event.Event{}, fmt.Errorf("encode %s: %w", p.Kind(), err)
	}
	// The fold must be the same now as in a rebuild from the log, so the payload is decoded from its JSON.
	if p, err = event.Decode(p.Kind(), data); err != nil {
		return event.Event{}, err
	}
	e := event.Event{Seq: tx.head.Seq + 1, Time: tx.now, Subject: of, Gen: gen, Data: p}
	if err := tx.fold(e); err != nil {
		return event.Event{}, err
	}
	tx.head.Seq = e.Seq
	tx.events = append(tx.events, Record{Event: e, Data: data})
	if len(tx.events) < pageOfWrites {
		return e, nil
	}
	return e, tx.flush()
}

// flush writes the appended events, so that queries see them. The transaction stays open.
func (tx *Tx) flush() error {
	if tx.err != nil || len(tx.events) == 0 && len(tx.offsets) == 0 {
		return tx.err
	}
	c := Changes{Events: tx.events, Offsets: tx.offsets, Tasks: make([]life.Task, 0, len(tx.dirty)), Counts: map[event.State]int{}}
	for _, id := range slices.SortedFunc(maps.Keys(tx.dirty), compareIDs) { // ids are sorted, because tasks are large
		c.Tasks = append(c.Tasks, *tx.touched[id])
		c.Counts[tx.dirty[id]]--
		c.Counts[countedAs(tx.touched[id])]++
	}
	c.Accounts, c.Queues = tx.accounts.unwritten(), tx.queues.unwritten()
	tx.wrote = true
	if tx.err = tx.batch.Write(c); tx.err != nil {
		return tx.err
	}
	tx.events, tx.offsets = nil, map[string]int64{}
	clear(tx.dirty)
	clear(tx.accounts.altered)
	clear(tx.queues.altered)
	if tx.base == nil && len(tx.touched) > pageOfWrites { // they can be read again
		clear(tx.touched)
		clear(tx.changed)
	}
	return nil
}

func (tx *Tx) fold(e event.Event) error {
	_, birth := e.Data.(event.DispatchRequested)
	if e.Account != "" {
		return tx.accounts.append(tx.batch, e.Account, e)
	}
	if e.Queue != "" {
		return tx.queues.append(tx.batch, e.Queue, e)
	}
	if e.Task == "" {
		if birth {
			return fmt.Errorf("append %s: no task id", e.Kind())
		}
		return nil
	}
	if !event.IsTaskID(string(e.Task)) {
		return fmt.Errorf("append %s: %q is no task id", e.Kind(), e.Task)
	}
	t, known, err := tx.Task(e.Task)
	switch {
	case err != nil:
		return err
	case birth && known:
		return fmt.Errorf("append %s: %s exists already", e.Kind(), e.Task)
	case !birth && !known:
		return fmt.Errorf("append %s: there is no %s", e.Kind(), e.Task)
	}
	if _, there := tx.dirty[e.Task]; !there {
		tx.dirty[e.Task] = ""
		if known {
			tx.dirty[e.Task] = countedAs(&t)
		}
	}
	tx.changed[e.Task] = true
	t = life.Apply(t, e)
	tx.touched[e.Task] = &t
	tx.head.LastTask = max(tx.head.LastTask, e.Task.Number())
	return nil
}

// Task returns the current fold of a task, which may be removed.
func (tx *Tx) Task(id event.TaskID) (life.Task, bool, error) {
	if t, ok := tx.touched[id]; ok {
		return *t, true, nil
	}
	if tx.base != nil {
		if t, ok := tx.base.tasks[id]; ok {
			return *t, true, nil
		}
	}
	t, ok, err := tx.batch.Task(id)
	if err == nil && ok {
		tx.touched[id] = &t
	}
	return t, ok, err
}

// Live returns the tasks that need a supervisor, oldest first: those that run, and those with an open action. Tasks
// that only wait for a slot or for a deadline are left out; see Line, Unsettled and Due. If the tasks can't be read,
// it returns none, and the transaction fails at its end.
func (tx *Tx) Live() []life.Task {
	n := len(tx.touched)
	if tx.base != nil {
		n += len(tx.base.order)
	}
	out := make([]life.Task, 0, n)
	for t := range tx.eachLive() {
		out = append(out, *t)
	}
	return out
}

// EachLive iterates over the tasks of Live without copying them. A task is valid until the next one.
func (tx *Tx) EachLive() iter.Seq[*life.Task] { return tx.eachLive() }

// eachLive iterates over the live tasks, oldest first.
func (tx *Tx) eachLive() iter.Seq[*life.Task] {
	return func(yield func(*life.Task) bool) {
		if tx.base == nil {
			all, err := tx.batch.Live()
			if err != nil {
				tx.err = err
				return
			}
			tx.base = newLiveSet(all)
		}
		for _, t := range tx.candidates() {
			if now, ok := tx.touched[t.ID]; ok {
				if t = now; !IsLive(*t) {
					continue
				}
			}
			if !yield(t) {
				return
			}
		}
	}
}

// candidates returns all tasks that are live or were when the transaction began, oldest first.
func (tx *Tx) candidates() []*life.Task {
	all, more := tx.base.order, false
	for id, t := range tx.touched {
		if _, ok := tx.base.tasks[id]; ok || !IsLive(*t) {
			continue
		}
		if !more {
			all, more = slices.Clone(all), true
		}
		all = append(all, t)
	}
	if more {
		slices.SortFunc(all, func(a, b *life.Task) int { return compareIDs(a.ID, b.ID) })
	}
	return all
}

// Account returns the current fold of an account; false if it has no events.
func (tx *Tx) Account(id event.AccountID) (life.Account, bool, error) {
	return tx.accounts.get(tx.batch, id)
}

// Accounts returns all accounts that have events, by name.
func (tx *Tx) Accounts() ([]life.Account, error) { return tx.accounts.sorted(tx.batch) }

// Queue returns the current fold of a merge queue. Its zero value, with the id, is returned if it has no events.
func (tx *Tx) Queue(id event.QueueID) (life.Queue, error) {
	q, _, err := tx.queues.get(tx.batch, id)
	return q, err
}

// Queues returns all merge queues that have events, by name.
func (tx *Tx) Queues() ([]life.Queue, error) { return tx.queues.sorted(tx.batch) }

// NewTaskID returns a new id for a task to be dispatched. An id is never used twice.
func (tx *Tx) NewTaskID() event.TaskID {
	tx.head.LastTask++
	return event.NewTaskID(tx.head.LastTask)
}

// Line iterates over the tasks that wait for a slot, in the order of life.CompareLine. Nothing may be appended during
// the iteration.
func (tx *Tx) Line() iter.Seq[*life.Task] {
	return func(yield func(*life.Task) bool) {
		if tx.flush() != nil {
			return
		}
		var last *life.Task
		for n := 8; ; n = min(2*n, page) {
			some, err := tx.batch.Line(last, n)
			if err != nil {
				tx.err = err
				return
			}
			for i := range some {
				if !yield(&some[i]) {
					return
				}
			}
			if len(some) < n {
				return
			}
			last = &some[len(some)-1]
		}
	}
}

// Unsettled returns up to n tasks whose dependencies may be settled, oldest first: tasks that were just dispatched,
// and tasks of which a dependency has ended. After life.Schedule has judged them, they are not returned until another
// dependency ends.
func (tx *Tx) Unsettled(n int) ([]life.Task, error) {
	if err := tx.flush(); err != nil {
		return nil, err
	}
	return tx.batch.Unsettled(n)
}

// timedFew returns, for each kind of subject of which a fleet has few, the function that yields their deadlines.
func (tx *Tx) timedFew() []func(Batch, func(event.Subject, []life.Deadline)) error {
	return []func(Batch, func(event.Subject, []life.Deadline)) error{tx.accounts.timed, tx.queues.timed}
}

// Due returns all deadlines of all subjects that have passed at now, the earliest first. If they can't be read, it
// returns none, and the transaction fails at its end.
func (tx *Tx) Due(now time.Time) []DueRow {
	var out []DueRow
	take := func(of event.Subject, all []life.Deadline) {
		for _, d := range all {
			if !d.At.After(now) {
				out = append(out, DueRow{Subject: of, Deadline: d})
			}
		}
	}
	for _, t := range tx.timed(now) {
		take(event.OfTask(t.ID), t.Deadlines)
	}
	for _, timed := range tx.timedFew() {
		if err := timed(tx.batch, take); err != nil {
			tx.err = err
		}
	}
	slices.SortStableFunc(out, func(a, b DueRow) int { return a.Deadline.At.Compare(b.Deadline.At) })
	return out
}

// Timed returns the ids of all tasks that have a deadline, oldest first.
func (tx *Tx) Timed() (ids []event.TaskID) {
	for _, t := range tx.timed(time.Time{}) {
		ids = append(ids, t.ID)
	}
	return ids
}

// timed returns the tasks with a deadline not after until, or with any deadline if until is zero, oldest first.
func (tx *Tx) timed(until time.Time) []life.Task {
	all, err := []life.Task(nil), tx.flush()
	if err == nil {
		all, err = tx.batch.Timed(until)
	}
	if err != nil {
		tx.err = err
	}
	return all
}

// NextDue returns the earliest deadline of all subjects; false if there is none.
func (tx *Tx) NextDue() (at time.Time, ok bool) {
	err := tx.flush()
	if err == nil {
		at, err = tx.batch.NextDue()
	}
	for _, timed := range tx.timedFew() {
		if err != nil {
			break
		}
		err = timed(tx.batch, func(_ event.Subject, all []life.Deadline) {
			for _, d := range all {
				if at.IsZero() || d.At.Before(at) {
					at = d.At
				}
			}
		})
	}
	if err != nil {
		tx.err = err
	}
	return at, !at.IsZero()
}

// SetOffset stores how far a followed file was read, in bytes, together with the events from it.
func (tx *Tx) SetOffset(source string, offset int64) { tx.offsets[source] = max(offset, 0) }

// Offset returns how far a file was read; 0 if it never was. If it can't be read, the transaction fails at its end.
func (tx *Tx) Offset(source string) int64 {
	if o, ok := tx.offsets[source]; ok {
		return o
	}
	o, err := tx.batch.Offset(source)
	if err != nil {
		tx.err = err
	}
	return o
}

// runTx runs fn in a transaction. It commits if anything was written and rolls back otherwise, which is cheap. A
// transaction of the supervisor also writes the cursor. tried reports whether a commit was tried. After an error it
// is then unknown whether the commit happened.
func runTx(tx *Tx, fn func(*Tx) error, supervisor bool) (tried bool, err error) {
	ended := false
	defer func() {
		if !ended { // also if fn panics
			tx.batch.Rollback()
		}
	}()
	if err := fn(tx); err != nil {
		return false, err
	}
	if err := tx.flush(); err != nil {
		return false, err
	}
	if supervisor && (tx.wrote || len(tx.foreign) > 0 || tx.births) {
		tx.wrote = true
		if err := tx.batch.Write(Changes{Cursor: tx.head.Seq}); err != nil {
			return false, err
		}
	}
	if !tx.wrote {
		return false, nil
	}
	ended = true
	return true, tx.batch.Commit()
}
