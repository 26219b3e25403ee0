package store

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// Memory is a log without a file: the same behaviour as Store, for the simulation, and a model to compare Store with. A new
// Writer stands for the next supervisor.
type Memory struct {
	now   func() time.Time
	write sync.Mutex // held for the whole of a write transaction

	mu      sync.RWMutex // guards what follows; held only while it is read or replaced
	log     []event.Event
	byTask  map[event.TaskID][]int // positions of its events in the log
	last    int                    // the highest number of a task
	tasks   map[event.TaskID]life.Task
	rested  map[event.AccountID]life.Account
	busy    map[event.TaskID]bool // tasks that may be live, waiting or due
	fleet   FleetRow
	offsets map[string]int64
	cursor  int64
}

// OpenMemory returns an empty log.
func OpenMemory(o Options) *Memory {
	return &Memory{
		now: o.clock(), byTask: map[event.TaskID][]int{}, tasks: map[event.TaskID]life.Task{},
		rested: map[event.AccountID]life.Account{}, busy: map[event.TaskID]bool{}, offsets: map[string]int64{},
	}
}

// Close does nothing.
func (m *Memory) Close() error { return nil }

// Request is Store.Request.
func (m *Memory) Request(ctx context.Context, fn func(*Tx) error) error {
	return request(ctx, m, m.now, fn)
}

// NewWriter is Store.NewWriter.
func (m *Memory) NewWriter(ctx context.Context) (*Writer, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return &Writer{place: m, now: m.now}, nil
}

// memoryBatch is the open write transaction of a Memory; its changes are taken over by commit.
type memoryBatch struct {
	m     *Memory
	at    head
	tasks map[event.TaskID]life.Task // written in this transaction
	changes
}

func (m *Memory) begin(context.Context, bool) (batch, error) {
	m.write.Lock()
	m.mu.RLock()
	defer m.mu.RUnlock()
	return &memoryBatch{
		m: m, at: head{seq: int64(len(m.log)), lastTask: m.last, cursor: m.cursor},
		tasks: map[event.TaskID]life.Task{}, changes: changes{offsets: map[string]int64{}},
	}, nil
}

func (b *memoryBatch) head() head { return b.at }

func (b *memoryBatch) task(id event.TaskID) (life.Task, bool, error) {
	if t, ok := b.tasks[id]; ok {
		return t, true, nil
	}
	b.m.mu.RLock()
	defer b.m.mu.RUnlock()
	t, ok := b.m.tasks[id]
	return t, ok, nil
}

// which returns the busy tasks that satisfy a condition, oldest first.
func (b *memoryBatch) which(ok func(t life.Task) bool) (out []life.Task) {
	b.m.mu.RLock()
	ids := maps.Clone(b.m.busy)
	b.m.mu.RUnlock()
	for id := range b.tasks {
		ids[id] = true
	}
	for id := range ids {
		if t, _, _ := b.task(id); ok(t) {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(x, y life.Task) int { return compareIDs(x.ID, y.ID) })
	return out
}

func (b *memoryBatch) live() ([]life.Task, error) { return b.which(isLive), nil }

func (b *memoryBatch) accounts() ([]life.Account, error) {
	b.m.mu.RLock()
	defer b.m.mu.RUnlock()
	all := maps.Clone(b.m.rested)
	for _, a := range b.changes.accounts {
		all[a.ID] = a
	}
	return slices.Collect(maps.Values(all)), nil
}

func (b *memoryBatch) line(after *life.Task, n int) ([]life.Task, error) {
	all := b.which(func(t life.Task) bool { return t.InLine() && (after == nil || life.CompareLine(after, &t) < 0) })
	slices.SortFunc(all, func(x, y life.Task) int { return life.CompareLine(&x, &y) })
	return all[:min(n, len(all))], nil
}

func (b *memoryBatch) unsettled(n int) ([]life.Task, error) {
	all := b.which(func(t life.Task) bool {
		if t.State == event.Queued {
			return t.AwaitsOthers()
		}
		states := map[event.TaskID]event.State{}
		for _, id := range t.Spec.After {
			if on, ok, _ := b.task(id); ok {
				states[id] = on.State
			}
		}
		return life.Settled(t, states)
	})
	return all[:min(n, len(all))], nil
}

func (b *memoryBatch) timed(until time.Time) ([]life.Task, error) {
	return b.which(func(t life.Task) bool {
		at := dueAt(t)
		return !at.IsZero() && (until.IsZero() || !at.After(until))
	}), nil
}

func (b *memoryBatch) nextDue() (next time.Time, err error) {
	for _, t := range b.which(func(t life.Task) bool { return !dueAt(t).IsZero() }) {
		if at := dueAt(t); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next, nil
}

func (b *memoryBatch) after(seq int64) (events []event.Event, births bool, err error) {
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

func (b *memoryBatch) offset(source string) (int64, error) {
	if o, ok := b.offsets[source]; ok {
		return o, nil
	}
	b.m.mu.RLock()
	defer b.m.mu.RUnlock()
	return b.m.offsets[source], nil
}

func (b *memoryBatch) write(c changes) error {
	b.events = append(b.events, c.events...)
	for _, t := range c.tasks {
		b.tasks[t.ID] = t
	}
	b.changes.accounts = append(b.changes.accounts, c.accounts...)
	maps.Copy(b.offsets, c.offsets)
	b.cursor = max(b.cursor, c.cursor)
	return nil
}

func (b *memoryBatch) commit() error {
	defer b.m.write.Unlock()
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	for _, r := range b.events {
		if r.Task != "" {
			b.m.byTask[r.Task] = append(b.m.byTask[r.Task], len(b.m.log))
		}
		b.m.log = append(b.m.log, r.Event)
		b.m.fleet = foldFleet(b.m.fleet, r.Event)
	}
	for _, t := range b.tasks {
		b.m.put(t)
	}
	for _, a := range b.changes.accounts {
		b.m.rested[a.ID] = a
	}
	maps.Copy(b.m.offsets, b.offsets)
	b.m.cursor = max(b.m.cursor, b.cursor)
	return nil
}

// put adds or replaces a task. The caller holds mu.
func (m *Memory) put(t life.Task) {
	m.tasks[t.ID] = t
	m.last = max(m.last, t.ID.Number())
	if t.Busy() || isLive(t) {
		m.busy[t.ID] = true
	} else {
		delete(m.busy, t.ID)
	}
}

func (b *memoryBatch) rollback() { b.m.write.Unlock() }

// snapshot returns the tasks as they are now.
func (m *Memory) snapshot() map[event.TaskID]life.Task {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return maps.Clone(m.tasks)
}

// List is Store.List.
func (m *Memory) List(_ context.Context, f ListFilter) ([]Summary, error) {
	now := f.Now
	if now.IsZero() {
		now = m.now()
	}
	tasks := m.snapshot()
	out := []Summary{}
	for _, t := range sortedTasks(tasks) {
		shown := f.All || !t.Removed && (t.FinishedAt.IsZero() || t.FinishedAt.After(now.Add(-lately)))
		if shown && (len(f.States) == 0 || slices.Contains(f.States, t.State)) {
			out = append(out, Summarize(t))
		}
	}
	return out, nil
}

// ListJSON is Store.ListJSON.
func (m *Memory) ListJSON(ctx context.Context, f ListFilter) (out []json.RawMessage, _ error) {
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
	defer b.rollback()
	return b.live()
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
		return t, noTask(id)
	}
	return t, nil
}

// FindByName is Store.FindByName.
func (m *Memory) FindByName(_ context.Context, prefix string) (out []Named, _ error) {
	tasks := m.snapshot()
	for _, t := range sortedTasks(tasks) {
		if !t.Removed && strings.HasPrefix(t.Spec.Name, prefix) {
			out = append(out, Named{ID: t.ID, Name: t.Spec.Name})
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
	return "", noTask(id)
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
	return "", noMessage(id, msg)
}

// Messages is Store.Messages.
func (m *Memory) Messages(_ context.Context, id event.TaskID) (out []MessageRow, _ error) {
	for _, e := range m.of(id) {
		out = foldMessage(out, e)
	}
	slices.SortFunc(out, func(a, b MessageRow) int { return messageNumber(a.ID) - messageNumber(b.ID) })
	return out, nil
}

// Attempts is Store.Attempts.
func (m *Memory) Attempts(_ context.Context, id event.TaskID) (out []AttemptRow, _ error) {
	for _, e := range m.of(id) {
		out = foldAttempt(out, e)
	}
	slices.SortFunc(out, func(a, b AttemptRow) int { return a.Gen - b.Gen })
	return out, nil
}

// Rounds is Store.Rounds.
func (m *Memory) Rounds(ctx context.Context, id event.TaskID) ([]RoundRow, error) {
	return rounds(m.Events(ctx, EventFilter{Task: id}))
}

// Fleet is Store.Fleet.
func (m *Memory) Fleet(context.Context) (FleetRow, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.fleet, nil
}

// Events is Store.Events.
func (m *Memory) Events(_ context.Context, f EventFilter) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		m.mu.RLock()
		log := m.log[min(max(0, f.After), int64(len(m.log))):]
		m.mu.RUnlock()
		n := 0
		for _, e := range log {
			if !f.matches(e) {
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
	tasks, fleet := map[event.TaskID]life.Task{}, FleetRow{}
	for _, e := range m.log {
		fleet = foldFleet(fleet, e)
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
	m.tasks, m.fleet, m.busy = map[event.TaskID]life.Task{}, fleet, map[event.TaskID]bool{}
	for _, t := range tasks {
		m.put(t)
	}
	slices.Sort(diff)
	return diff, nil
}
