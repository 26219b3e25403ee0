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

// place is where a log lies: a file, or memory.
type place interface {
	// begin opens the one write transaction that there can be at a time; it waits for the others.
	begin(ctx context.Context, durable bool) (batch, error)
}

// batch is an open write transaction of a place. It ends by exactly one call of commit or rollback.
type batch interface {
	head() head
	task(id event.TaskID) (life.Task, bool, error)
	live() ([]life.Task, error)
	accounts() ([]life.Account, error)
	after(seq int64) ([]event.Event, error)
	offset(source string) (int64, error)
	commit(c changes) error
	rollback()
}

// head is where a log stands when a transaction begins.
type head struct {
	seq      int64
	lastTask int
	cursor   int64 // the newest event that the supervisor has folded and committed
}

// changes is all that a transaction does.
type changes struct {
	events  []record
	tasks   []life.Task
	changed []life.Account
	offsets map[string]int64
	cursor  int64 // 0: leave it
}

func (c changes) empty() bool { return len(c.events) == 0 && len(c.offsets) == 0 && c.cursor == 0 }

// record is an event beside its encoded payload.
type record struct {
	event.Event
	data []byte
}

// Tx is one transaction over the log: what is appended is folded at once, and all of it is kept or nothing. A Tx is
// valid only within the function that it was given to, and for one goroutine. Tasks that it hands out are values to
// read; their slices are shared, so nothing in them may be changed in place.
type Tx struct {
	batch   batch
	now     time.Time
	head    head
	base    *liveSet                    // live tasks as they were; nil until needed
	touched map[event.TaskID]*life.Task // tasks read or folded in this transaction
	dirty   []event.TaskID
	// accounts are few, so all of them are read when the first is needed, and kept by the supervisor's Writer.
	accounts map[event.AccountID]life.Account
	changed  []event.AccountID
	foreign  []event.Event
	events   []record
	offsets  map[string]int64
	err      error // a read that had no error to return failed: the transaction must not commit
}

func newTx(b batch, now time.Time) *Tx {
	return &Tx{
		batch: b, head: b.head(), now: now.Round(0).UTC(),
		touched: map[event.TaskID]*life.Task{}, offsets: map[string]int64{},
	}
}

// Now is the time of the transaction: every event that it appends bears it.
func (tx *Tx) Now() time.Time { return tx.now }

// Seq is the sequence number of the newest event, those of this transaction included.
func (tx *Tx) Seq() int64 { return tx.head.seq }

// Foreign returns the events that others appended since the supervisor's last Update, oldest first; they are already
// folded. A new supervisor finds here what came while there was none. Only a Writer's transaction has any.
func (tx *Tx) Foreign() []event.Event { return tx.foreign }

// Append writes an event of a task, or of the fleet if task is "". It is AppendTo for these two.
func (tx *Tx) Append(task event.TaskID, gen int, p event.Payload) (event.Event, error) {
	return tx.AppendTo(event.OfTask(task), gen, p)
}

// AppendTo writes an event and folds it into its subject. The event it returns is what a reader of the log will see: its
// payload has been through JSON. The task must exist, unless p is a DispatchRequested, whose task must not.
// After an error nothing has been appended and the transaction may go on.
func (tx *Tx) AppendTo(of event.Subject, gen int, p event.Payload) (event.Event, error) {
	data, err := json.Marshal(p)
	if err != nil {
		return event.Event{}, fmt.Errorf("encode %s: %w", p.Kind(), err)
	}
	// What is folded now must be what a rebuild will fold from the log, so the payload goes the same way.
	if p, err = event.Decode(p.Kind(), data); err != nil {
		return event.Event{}, err
	}
	e := event.Event{Seq: tx.head.seq + 1, Time: tx.now, Subject: of, Gen: gen, Data: p}
	if err := tx.fold(e); err != nil {
		return event.Event{}, err
	}
	tx.head.seq = e.Seq
	tx.events = append(tx.events, record{Event: e, data: data})
	return e, nil
}

func (tx *Tx) fold(e event.Event) error {
	_, birth := e.Data.(event.DispatchRequested)
	if e.Account != "" {
		return tx.foldAccount(e)
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
	if !slices.Contains(tx.dirty, e.Task) {
		tx.dirty = append(tx.dirty, e.Task)
	}
	t = life.Apply(t, e)
	tx.touched[e.Task] = &t
	tx.head.lastTask = max(tx.head.lastTask, e.Task.Number())
	return nil
}

// Task returns the current fold of a task, also of a removed one.
func (tx *Tx) Task(id event.TaskID) (life.Task, bool, error) {
	if t, ok := tx.touched[id]; ok {
		return *t, true, nil
	}
	if tx.base != nil {
		if t, ok := tx.base.tasks[id]; ok {
			return *t, true, nil
		}
	}
	t, ok, err := tx.batch.task(id)
	if err == nil && ok {
		tx.touched[id] = &t
	}
	return t, ok, err
}

// Live returns all tasks that need a supervisor now (Busy and not removed), oldest first. Where they cannot be read it
// gives none, and the transaction fails in the end.
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

// EachLive walks over what Live gives, without copying it: what it yields is to be read, and only until the next one.
func (tx *Tx) EachLive() iter.Seq[*life.Task] { return tx.eachLive() }

// eachLive walks over the live tasks, oldest first.
func (tx *Tx) eachLive() iter.Seq[*life.Task] {
	return func(yield func(*life.Task) bool) {
		if tx.base == nil {
			all, err := tx.batch.live()
			if err != nil {
				tx.err = err
				return
			}
			tx.base = newLiveSet(all)
		}
		for _, t := range tx.candidates() {
			if now, ok := tx.touched[t.ID]; ok {
				if t = now; !isLive(*t) {
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
		if _, ok := tx.base.tasks[id]; ok || !isLive(*t) {
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

// foldAccount folds an event into its account. An account needs no birth: it is there once something happened to it.
func (tx *Tx) foldAccount(e event.Event) error {
	if _, _, err := tx.Account(e.Account); err != nil {
		return err
	}
	tx.accounts[e.Account] = life.ApplyAccount(tx.accounts[e.Account], e)
	if !slices.Contains(tx.changed, e.Account) {
		tx.changed = append(tx.changed, e.Account)
	}
	return nil
}

// Account returns the current fold of an account; false for one to which nothing has happened.
func (tx *Tx) Account(id event.AccountID) (life.Account, bool, error) {
	if err := tx.loadAccounts(); err != nil {
		return life.Account{}, false, err
	}
	a, ok := tx.accounts[id]
	if !ok {
		a.ID = id
	}
	return a, ok, nil
}

func (tx *Tx) loadAccounts() error {
	if tx.accounts != nil {
		return nil
	}
	all, err := tx.batch.accounts()
	if err != nil {
		return err
	}
	tx.accounts = map[event.AccountID]life.Account{}
	for _, a := range all {
		tx.accounts[a.ID] = a
	}
	return nil
}

// NewTaskID allots the id of a task that is about to be dispatched. Ids of tasks that were are never given again.
func (tx *Tx) NewTaskID() event.TaskID {
	tx.head.lastTask++
	return event.NewTaskID(tx.head.lastTask)
}

// Due returns all deadlines that have come at now, of whatever subject, the earliest first.
func (tx *Tx) Due(now time.Time) []DueRow {
	var out []DueRow
	for of, all := range tx.eachDeadlines() {
		for _, d := range all {
			if !d.At.After(now) {
				out = append(out, DueRow{Subject: of, Deadline: d})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b DueRow) int { return a.Deadline.At.Compare(b.Deadline.At) })
	return out
}

// NextDue is the earliest deadline of all subjects; false if there is none.
func (tx *Tx) NextDue() (at time.Time, ok bool) {
	for _, all := range tx.eachDeadlines() {
		for _, d := range all {
			if !ok || d.At.Before(at) {
				at, ok = d.At, true
			}
		}
	}
	return at, ok
}

// eachDeadlines walks over the deadlines of each subject: live tasks, oldest first, then accounts. Where accounts cannot
// be read the transaction fails in the end.
func (tx *Tx) eachDeadlines() iter.Seq2[event.Subject, []life.Deadline] {
	return func(yield func(event.Subject, []life.Deadline) bool) {
		for t := range tx.eachLive() {
			if len(t.Deadlines) > 0 && !yield(event.OfTask(t.ID), t.Deadlines) {
				return
			}
		}
		if err := tx.loadAccounts(); err != nil {
			tx.err = err
			return
		}
		for _, id := range slices.Sorted(maps.Keys(tx.accounts)) {
			if a := tx.accounts[id]; len(a.Deadlines) > 0 && !yield(event.OfAccount(id), a.Deadlines) {
				return
			}
		}
	}
}

// SetOffset remembers how far a tailed file was read, in bytes, together with what was read from it.
func (tx *Tx) SetOffset(source string, offset int64) { tx.offsets[source] = max(offset, 0) }

// Offset is how far a file was read; 0 for one that was never seen. Where it cannot be read the transaction fails in
// the end.
func (tx *Tx) Offset(source string) int64 {
	if o, ok := tx.offsets[source]; ok {
		return o
	}
	o, err := tx.batch.offset(source)
	if err != nil {
		tx.err = err
	}
	return o
}

// changes gathers what is to be written.
func (tx *Tx) changes() changes {
	c := changes{events: tx.events, offsets: tx.offsets}
	for _, id := range tx.dirty {
		c.tasks = append(c.tasks, *tx.touched[id])
	}
	for _, id := range tx.changed {
		c.changed = append(c.changed, tx.accounts[id])
	}
	return c
}

// runTx gives fn a transaction and ends it: by commit if there is anything to write, else by rollback, which costs
// nothing. The supervisor's transactions write the cursor, too. tried tells that it came to a commit, so that an
// error leaves open whether it happened.
func runTx(tx *Tx, fn func(*Tx) error, supervisor bool) (tried bool, err error) {
	ended := false
	defer func() {
		if !ended { // also when fn panics
			tx.batch.rollback()
		}
	}()
	if err := fn(tx); err != nil {
		return false, err
	}
	if tx.err != nil {
		return false, tx.err
	}
	c := tx.changes()
	if supervisor && (!c.empty() || len(tx.foreign) > 0) {
		c.cursor = tx.head.seq
	}
	if c.empty() {
		return false, nil
	}
	ended = true
	return true, tx.batch.commit(c)
}
