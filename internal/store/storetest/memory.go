package storetest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
	"muster/internal/store"
)

// Memory is a log without a file that behaves as Store does. A new Writer is that of the next supervisor.
type Memory struct {
	now   func() time.Time
	write sync.Mutex // held during a whole write transaction

	mu      sync.RWMutex // guards what follows; held only while that is read or replaced
	log     []event.Event
	byTask  map[event.TaskID][]int // positions of its events in the log
	last    int                    // the highest number of a task
	tasks   map[event.TaskID]life.Task
	rested  map[event.AccountID]life.Account
	queues  map[event.QueueID]life.Queue
	busy    map[event.TaskID]index // tasks that may be live, waiting or due
	fleet   store.FleetRow
	offsets map[string]int64
	cursor  int64
}

// index is what the queries of a supervisor's turn ask about a task. It is kept beside the task, because a task is large
// and a simulation asks about all of them at every turn.
type index struct {
	live, inLine, awaits bool
	rank                 int       // of life.CompareLine
	due                  time.Time // zero if the task has no deadline
}

func indexOf(t life.Task) index {
	return index{live: store.IsLive(t), inLine: t.InLine(), rank: t.Rank(), awaits: t.AwaitsOthers(), due: store.DueAt(t)}
}

// OpenMemory returns an empty log on the given clock.
func OpenMemory(now func() time.Time) *Memory {
	return &Memory{
		now: now, byTask: map[event.TaskID][]int{}, tasks: map[event.TaskID]life.Task{},
		rested: map[event.AccountID]life.Account{}, queues: map[event.QueueID]life.Queue{}, busy: map[event.TaskID]index{}, offsets: map[string]int64{},
	}
}

// Close does nothing.
func (m *Memory) Close() error { return nil }

// Request is Store.Request.
func (m *Memory) Request(ctx context.Context, fn func(*store.Tx) error) error {
	return store.Request(ctx, m.begin, m.now, fn)
}

// NewWriter is Store.NewWriter.
func (m *Memory) NewWriter(ctx context.Context) (*store.Writer, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return store.NewWriter(m.begin, m.now), nil
}

// memoryBatch is the open write transaction of a Memory. Commit stores its changes.
type memoryBatch struct {
	m     *Memory
	at    store.Head
	tasks map[event.TaskID]life.Task // written in this transaction
	store.Changes
}

func (m *Memory) begin(context.Context, bool) (store.Batch, error) {
	m.write.Lock()
	m.mu.RLock()
	defer m.mu.RUnlock()
	return &memoryBatch{
		m: m, at: store.Head{Seq: int64(len(m.log)), LastTask: m.last, Cursor: m.cursor},
		tasks: map[event.TaskID]life.Task{}, Changes: store.Changes{Offsets: map[string]int64{}},
	}, nil
}

func (b *memoryBatch) Head() store.Head { return b.at }

func (b *memoryBatch) Task(id event.TaskID) (life.Task, bool, error) {
	if t, ok := b.tasks[id]; ok {
		return t, true, nil
	}
	b.m.mu.RLock()
	defer b.m.mu.RUnlock()
	t, ok := b.m.tasks[id]
	return t, ok, nil
}

// indexes calls fn with each busy task, in no order.
func (b *memoryBatch) indexes(fn func(event.TaskID, index)) {
	b.m.mu.RLock()
	defer b.m.mu.RUnlock()
	for id, at := range b.m.busy {
		if _, written := b.tasks[id]; !written {
			fn(id, at)
		}
	}
	for id, t := range b.tasks {
		fn(id, indexOf(t))
	}
}

// which returns the busy tasks whose index satisfies a condition, oldest first.
func (b *memoryBatch) which(ok func(index) bool) []life.Task {
	var ids []event.TaskID
	b.indexes(func(id event.TaskID, at index) {
		if ok(at) {
			ids = append(ids, id)
		}
	})
	slices.SortFunc(ids, func(x, y event.TaskID) int { return x.Number() - y.Number() })
	out := make([]life.Task, len(ids))
	for i, id := range ids {
		out[i], _, _ = b.Task(id)
	}
	return out
}

func (b *memoryBatch) Live() ([]life.Task, error) {
	return b.which(func(at index) bool { return at.live }), nil
}

func (b *memoryBatch) Accounts() ([]life.Account, error) {
	b.m.mu.RLock()
	defer b.m.mu.RUnlock()
	all := maps.Clone(b.m.rested)
	for _, a := range b.Changes.Accounts {
		all[a.ID] = a
	}
	return slices.Collect(maps.Values(all)), nil
}

func (b *memoryBatch) Queues() ([]life.Queue, error) {
	b.m.mu.RLock()
	defer b.m.mu.RUnlock()
	all := maps.Clone(b.m.queues)
	for _, q := range b.Changes.Queues {
		all[q.ID] = q
	}
	return slices.Collect(maps.Values(all)), nil
}

func (b *memoryBatch) Line(after *life.Task, n int) ([]life.Task, error) {
	type place struct{ rank, number int }
	compare := func(x, y place) int { return cmp.Or(cmp.Compare(x.rank, y.rank), cmp.Compare(x.number, y.number)) }
	var line []place
	b.indexes(func(id event.TaskID, at index) {
		p := place{at.rank, id.Number()}
		if at.inLine && (after == nil || compare(p, place{after.Rank(), after.ID.Number()}) > 0) {
			line = append(line, p)
		}
	})
	slices.SortFunc(line, compare)
	out := make([]life.Task, min(n, len(line)))
	for i := range out {
		out[i], _, _ = b.Task(event.NewTaskID(line[i].number))
	}
	return out, nil
}

func (b *memoryBatch) Unsettled(n int) ([]life.Task, error) {
	all := slices.DeleteFunc(b.which(func(at index) bool { return at.awaits }), func(t life.Task) bool {
		if t.State == event.Queued {
			return false
		}
		states := map[event.TaskID]event.State{}
		for _, id := range t.Spec.After {
			if on, ok, _ := b.Task(id); ok {
				states[id] = on.State
			}
		}
		return !life.Settled(t, states)
	})
	return all[:min(n, len(all))], nil
}

func (b *memoryBatch) Timed(until time.Time) ([]life.Task, error) {
	return b.which(func(at index) bool { return !at.due.IsZero() && (until.IsZero() || !at.due.After(until)) }), nil
}

func (b *memoryBatch) NextDue() (next time.Time, err error) {
	b.indexes(func(_ event.TaskID, at index) {
		if !at.due.IsZero() && (next.IsZero() || at.due.Before(next)) {
			next = at.due
		}
	})
	return next, nil
}

func (b *memoryBatch) After(seq int64) (events []event.Event, births bool, err error) {
	b.m.mu.RLock()
	defer b.m.mu.RUnlock()
	for _, e := range b.m.log[seq:] {
		if _, birth := e.Data.(event.DispatchRequested); birth {
			births = true
		} else {
			events = append(events, e)
		}
	}
	return events, births, nil
}

func (b *memoryBatch) Offset(source string) (int64, error) {
	if o, ok := b.Offsets[source]; ok {
		return o, nil
	}
	b.m.mu.RLock()
	defer b.m.mu.RUnlock()
	return b.m.offsets[source], nil
}

func (b *memoryBatch) Write(c store.Changes) error {
	b.Events = append(b.Events, c.Events...)
	for _, t := range c.Tasks {
		b.tasks[t.ID] = t
	}
	b.Changes.Accounts = append(b.Changes.Accounts, c.Accounts...)
	b.Changes.Queues = append(b.Changes.Queues, c.Queues...)
	maps.Copy(b.Offsets, c.Offsets)
	b.Cursor = max(b.Cursor, c.Cursor)
	return nil
}

func (b *memoryBatch) Commit() error {
	defer b.m.write.Unlock()
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	for _, r := range b.Events {
		if r.Task != "" {
			b.m.byTask[r.Task] = append(b.m.byTask[r.Task], len(b.m.log))
		}
		b.m.log = append(b.m.log, r.Event)
		b.m.fleet = b.m.fleet.Fold(r.Event)
	}
	for _, t := range b.tasks {
		b.m.put(t)
	}
	for _, a := range b.Changes.Accounts {
		b.m.rested[a.ID] = a
	}
	for _, q := range b.Changes.Queues {
		b.m.queues[q.ID] = q
	}
	maps.Copy(b.m.offsets, b.Offsets)
	b.m.cursor = max(b.m.cursor, b.Cursor)
	return nil
}

// put adds or replaces a task. The caller holds mu.
func (m *Memory) put(t life.Task) {
	m.tasks[t.ID] = t
	m.last = max(m.last, t.ID.Number())
	if t.Busy() || store.IsLive(t) {
		m.busy[t.ID] = indexOf(t)
	} else {
		delete(m.busy, t.ID)
	}
}

func (b *memoryBatch) Rollback() { b.m.write.Unlock() }

// snapshot returns all tasks in their present state.
func (m *Memory) snapshot() map[event.TaskID]life.Task {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return maps.Clone(m.tasks)
}

// List is Store.List.
func (m *Memory) List(_ context.Context, f store.ListFilter) ([]store.Summary, error) {
	now := f.Now
	if now.IsZero() {
		now = m.now()
	}
	tasks := m.snapshot()
	out := []store.Summary{}
	for _, t := range sortedTasks(tasks) {
		shown := f.All || !t.Removed && (t.FinishedAt.IsZero() || t.FinishedAt.After(now.Add(-24*time.Hour)))
		if shown && (len(f.States) == 0 || slices.Contains(f.States, t.State)) {
			out = append(out, store.Summarize(t))
		}
	}
	return out, nil
}

// ListJSON is Store.ListJSON.
func (m *Memory) ListJSON(ctx context.Context, f store.ListFilter) (out []json.RawMessage, _ error) {
	all, err := m.List(ctx, f)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		doc, err := json.Marshal(s)
		if err != nil {
			return nil, err
		}
		out = append(out, doc)
	}
	return out, nil
}

// Counts is Store.Counts.
func (m *Memory) Counts(context.Context) (map[event.State]int, error) {
	tasks := m.snapshot()
	out := map[event.State]int{}
	for _, t := range tasks {
		if !t.Removed {
			out[t.State]++
		}
	}
	return out, nil
}

// Live is Store.Live.
func (m *Memory) Live(ctx context.Context) ([]life.Task, error) {
	b, err := m.begin(ctx, false)
	if err != nil {
		return nil, err
	}
	defer b.Rollback()
	return b.Live()
}

// Queues is Store.Queues.
func (m *Memory) Queues(ctx context.Context) ([]life.Queue, error) {
	b, err := m.begin(ctx, false)
	if err != nil {
		return nil, err
	}
	defer b.Rollback()
	return b.Queues()
}

// Offset is Store.Offset.
func (m *Memory) Offset(_ context.Context, source string) (int64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.offsets[source], nil
}

// Task is Store.Task.
func (m *Memory) Task(_ context.Context, id event.TaskID) (life.Task, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	t, ok := m.tasks[id]
	if !ok {
		return t, fault.New(fault.NotFound, "there is no task %s", id)
	}
	return t, nil
}

// FindByName is Store.FindByName.
func (m *Memory) FindByName(_ context.Context, prefix string) (out []store.Named, _ error) {
	tasks := m.snapshot()
	for _, t := range sortedTasks(tasks) {
		if !t.Removed && strings.HasPrefix(t.Spec.Name, prefix) {
			out = append(out, store.Named{ID: t.ID, Name: t.Spec.Name})
		}
	}
	return out, nil
}

// of returns the events of a task.
func (m *Memory) of(id event.TaskID) (out []event.Event) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, i := range m.byTask[id] {
		out = append(out, m.log[i])
	}
	return out
}

// Prompt is Store.Prompt.
func (m *Memory) Prompt(_ context.Context, id event.TaskID) (string, error) {
	for _, e := range m.of(id) {
		if p, ok := e.Data.(event.DispatchRequested); ok {
			return p.Prompt, nil
		}
	}
	return "", fault.New(fault.NotFound, "there is no task %s", id)
}

// MessageText is Store.MessageText.
func (m *Memory) MessageText(ctx context.Context, id event.TaskID, msg event.MessageID) (string, error) {
	all, err := m.Messages(ctx, id)
	for _, r := range all {
		if r.ID == msg {
			return r.Text, nil
		}
	}
	if err != nil {
		return "", err
	}
	return "", fault.New(fault.NotFound, "%s has no message %s", id, msg)
}

// Messages is Store.Messages.
func (m *Memory) Messages(_ context.Context, id event.TaskID) (out []store.MessageRow, _ error) {
	for _, e := range m.of(id) {
		out = foldMessage(out, e)
	}
	slices.SortFunc(out, func(a, b store.MessageRow) int { return number(a.ID) - number(b.ID) })
	return out, nil
}

// Attempts is Store.Attempts.
func (m *Memory) Attempts(_ context.Context, id event.TaskID) (out []store.AttemptRow, _ error) {
	for _, e := range m.of(id) {
		out = foldAttempt(out, e)
	}
	slices.SortFunc(out, func(a, b store.AttemptRow) int { return a.Gen - b.Gen })
	return out, nil
}

// Rounds is Store.Rounds.
func (m *Memory) Rounds(_ context.Context, id event.TaskID) (out []store.RoundRow, _ error) {
	for _, e := range m.of(id) {
		if p, ok := e.Data.(event.RoundFinished); ok {
			out = append(out, store.RoundRow{Seq: e.Seq, Time: e.Time, Gen: e.Gen, RoundFinished: p})
		}
	}
	return out, nil
}

// Fleet is Store.Fleet.
func (m *Memory) Fleet(context.Context) (store.FleetRow, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.fleet, nil
}

// Events is Store.Events.
func (m *Memory) Events(_ context.Context, f store.EventFilter) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		m.mu.RLock()
		log := m.log[min(max(0, f.After), int64(len(m.log))):]
		m.mu.RUnlock()
		order := slices.All(log)
		if f.Newest {
			order = slices.Backward(log)
		}
		n := 0
		for _, e := range order {
			if !matches(f, e) {
				continue
			}
			if !yield(e, nil) {
				return
			}
			if n++; f.Limit > 0 && n == f.Limit {
				return
			}
		}
	}
}

// LastSeq is Store.LastSeq.
func (m *Memory) LastSeq(context.Context) (int64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return int64(len(m.log)), nil
}

// Rebuild is Store.Rebuild.
func (m *Memory) Rebuild(context.Context) (diff []string, _ error) {
	m.write.Lock()
	defer m.write.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	tasks, fleet := map[event.TaskID]life.Task{}, store.FleetRow{}
	for _, e := range m.log {
		fleet = fleet.Fold(e)
		if e.Task != "" {
			tasks[e.Task] = life.Apply(tasks[e.Task], e)
		}
	}
	for id, t := range tasks {
		if was, ok := m.tasks[id]; !ok || !sameTask(t, was) {
			diff = append(diff, fmt.Sprintf("tasks %s: wrong or missing", id))
		}
	}
	for id := range m.tasks {
		if _, ok := tasks[id]; !ok {
			diff = append(diff, fmt.Sprintf("tasks %s: wrong or not in the log", id))
		}
	}
	if fleet != m.fleet {
		diff = append(diff, "fleet 1: wrong or missing")
	}
	m.tasks, m.fleet, m.busy = map[event.TaskID]life.Task{}, fleet, map[event.TaskID]index{}
	for _, t := range tasks {
		m.put(t)
	}
	slices.Sort(diff)
	return diff, nil
}

// foldAttempt folds an event of a task into its generations.
func foldAttempt(all []store.AttemptRow, e event.Event) []store.AttemptRow {
	at := func() *store.AttemptRow {
		i := slices.IndexFunc(all, func(a store.AttemptRow) bool { return a.Gen == e.Gen })
		if i < 0 {
			return &store.AttemptRow{}
		}
		return &all[i]
	}
	switch p := e.Data.(type) {
	case event.GenerationStarted:
		all = slices.DeleteFunc(all, func(a store.AttemptRow) bool { return a.Gen == e.Gen })
		all = append(all, store.AttemptRow{
			Gen: e.Gen, Attempt: p.Attempt, Why: p.Why, Conversation: p.Conversation, Resume: p.Resume, StartedAt: e.Time,
		})
	case event.AgentLaunched:
		a := at()
		a.LaunchedAt, a.PID, a.Session = e.Time, p.Process.PID, p.Session
	case event.AgentExited:
		a := at()
		a.ExitedAt, a.Cause, a.Signal, a.Exit = e.Time, p.Cause, p.Signal, nil
		if p.Known {
			a.Exit = &p.Exit
		}
	}
	return all
}

// foldMessage folds an event of a task into its messages. An answer becomes a message only when life queues it.
func foldMessage(all []store.MessageRow, e event.Event) []store.MessageRow {
	add := func(id event.MessageID, text string, why event.Why) {
		all = slices.DeleteFunc(all, func(m store.MessageRow) bool { return m.ID == id })
		all = append(all, store.MessageRow{ID: id, State: event.MessageWaiting, Why: why, Text: text, At: e.Time, ChangedAt: e.Time})
	}
	switch p := e.Data.(type) {
	case event.SendRequested:
		add(p.Message, p.Text, event.WhyMessage)
	case event.MessageQueued:
		add(p.Message, p.Text, p.Why)
	case event.MessageMoved:
		for i := range all {
			if all[i].ID == p.Message {
				all[i].State, all[i].Gen, all[i].ChangedAt, all[i].Evidence = p.To, e.Gen, e.Time, p.Evidence
			}
		}
	}
	return all
}

// matches reports whether a filter selects an event, apart from its limit and order.
func matches(f store.EventFilter, e event.Event) bool {
	return e.Seq > f.After && (f.Before == 0 || e.Seq < f.Before) && (f.Task == "" || e.Task == f.Task) &&
		(len(f.Kinds) == 0 || slices.Contains(f.Kinds, e.Kind()))
}

// sameTask reports whether two folds are equal as JSON.
func sameTask(a, b life.Task) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}

// sortedTasks returns tasks, oldest first.
func sortedTasks(m map[event.TaskID]life.Task) []life.Task {
	return slices.SortedFunc(maps.Values(m), func(a, b life.Task) int { return a.ID.Number() - b.ID.Number() })
}

// number returns the number within a message's id.
func number(id event.MessageID) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(string(id), "m"))
	return n
}
