package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
	"muster/internal/store"
)

// Log is the set of methods that store.Store and Memory have in common.
type Log interface {
	Request(ctx context.Context, fn func(*store.Tx) error) error
	NewWriter(ctx context.Context) (*store.Writer, error)
	List(ctx context.Context, f store.ListFilter) ([]store.Summary, error)
	ListJSON(ctx context.Context, f store.ListFilter) ([]json.RawMessage, error)
	Counts(ctx context.Context) (map[event.State]int, error)
	Live(ctx context.Context) ([]life.Task, error)
	Offset(ctx context.Context, source string) (int64, error)
	Task(ctx context.Context, id event.TaskID) (life.Task, error)
	FindByName(ctx context.Context, prefix string) ([]store.Named, error)
	Prompt(ctx context.Context, id event.TaskID) (string, error)
	MessageText(ctx context.Context, id event.TaskID, m event.MessageID) (string, error)
	Messages(ctx context.Context, id event.TaskID) ([]store.MessageRow, error)
	Attempts(ctx context.Context, id event.TaskID) ([]store.AttemptRow, error)
	Rounds(ctx context.Context, id event.TaskID) ([]store.RoundRow, error)
	Events(ctx context.Context, f store.EventFilter) iter.Seq2[event.Event, error]
	LastSeq(ctx context.Context) (int64, error)
	Fleet(ctx context.Context) (store.FleetRow, error)
	Rebuild(ctx context.Context) ([]string, error)
	Close() error
}

// Clock is a clock that tests set.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// NewClock returns a clock at six in the morning.
func NewClock() *Clock { return &Clock{at: time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)} }

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// Run runs the suite. open returns an empty log on the given clock.
func Run(t *testing.T, open func(t *testing.T, now func() time.Time) Log) {
	for name, test := range map[string]func(*testing.T, *bench){
		"dispatched tasks are found":         dispatched,
		"what does not fit is refused":       refused,
		"a rollback leaves nothing":          rolledBack,
		"a panic lets the next one in":       panicked,
		"foreign events come once":           foreign,
		"a failed update sees them again":    foreignAgain,
		"a new writer sees what it missed":   missed,
		"two writers see each other":         twoWriters,
		"an empty update writes nothing":     emptyUpdate,
		"offsets belong to the transaction":  offsets,
		"deadlines come due":                 deadlines,
		"accounts are folded":                accounts,
		"merge queues are folded":            queues,
		"live tasks are in order":            live,
		"ids are never used twice":           ids,
		"lists show what they should":        lists,
		"messages and generations are known": messages,
		"rounds are read from the log":       roundsRead,
		"the fleet is known":                 fleet,
		"the log is read in pages":           events,
		"random histories fold the same":     histories,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := NewClock()
			test(t, &bench{Log: open(t, clock.Now), clock: clock})
		})
	}
}

// bench is a log under test.
type bench struct {
	Log
	clock *Clock
}

func (b *bench) request(t *testing.T, fn func(*store.Tx) error) {
	t.Helper()
	if err := b.Request(t.Context(), fn); err != nil {
		t.Fatalf("request: %v", err)
	}
}

func (b *bench) writer(t *testing.T) *store.Writer {
	t.Helper()
	w, err := b.NewWriter(t.Context())
	if err != nil {
		t.Fatalf("new writer: %v", err)
	}
	return w
}

func update(t *testing.T, w *store.Writer, fn func(*store.Tx) error) {
	t.Helper()
	if err := w.Update(t.Context(), false, fn); err != nil {
		t.Fatalf("update: %v", err)
	}
}

// dispatch queues a task, as a verb does.
func (b *bench) dispatch(t *testing.T, name string) (id event.TaskID) {
	t.Helper()
	b.request(t, func(tx *store.Tx) error {
		id = tx.NewTaskID()
		_, err := tx.Append(id, 0, event.DispatchRequested{Spec: event.Spec{Name: name, Agent: "sim"}, Prompt: "do " + name})
		return err
	})
	return id
}

// add appends events of one task, as a verb does.
func (b *bench) add(t *testing.T, id event.TaskID, gen int, all ...event.Payload) {
	t.Helper()
	b.request(t, func(tx *store.Tx) error { return appendAll(tx, id, gen, all...) })
}

func appendAll(tx *store.Tx, id event.TaskID, gen int, all ...event.Payload) error {
	for _, p := range all {
		if _, err := tx.Append(id, gen, p); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) all(t *testing.T, f store.EventFilter) (out []event.Event) {
	t.Helper()
	for e, err := range b.Events(t.Context(), f) {
		if err != nil {
			t.Fatalf("events: %v", err)
		}
		out = append(out, e)
	}
	return out
}

// state asserts the state of a task as readers see it.
func (b *bench) state(t *testing.T, id event.TaskID, want event.State) {
	t.Helper()
	got := must(b.Task(t.Context(), id))(t)
	if got.State != want {
		t.Errorf("%s is %s, want %s", id, got.State, want)
	}
}

// must fails the test on an error.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func kinds(all []event.Event) (out []event.Kind) {
	for _, e := range all {
		out = append(out, e.Kind())
	}
	return out
}

func dispatched(t *testing.T, b *bench) {
	first, second := b.dispatch(t, "fix"), b.dispatch(t, "fix tests")
	same(t, "ids", []event.TaskID{first, second}, []event.TaskID{"t1", "t2"})
	task := must(b.Task(t.Context(), second))(t)
	if task.State != event.Queued || task.Spec.Name != "fix tests" || !task.QueuedAt.Equal(b.clock.Now()) {
		t.Errorf("unexpected task: %+v", task)
	}
	same(t, "prompt", must(b.Prompt(t.Context(), first))(t), "do fix")
	same(t, "by name", must(b.FindByName(t.Context(), "fix"))(t), []store.Named{{ID: "t1", Name: "fix"}, {ID: "t2", Name: "fix tests"}})
	same(t, "by longer name", must(b.FindByName(t.Context(), "fix t"))(t), []store.Named{{ID: "t2", Name: "fix tests"}})
	same(t, "by wild card", len(must(b.FindByName(t.Context(), "%"))(t)), 0)
	for what, err := range map[string]error{
		"task":    failure(b.Task(t.Context(), "t9")),
		"prompt":  failure(b.Prompt(t.Context(), "t9")),
		"message": failure(b.MessageText(t.Context(), first, "m1")),
	} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("%s that is not there: %v, want not found", what, err)
		}
	}
}

func failure[T any](_ T, err error) error { return err }

func refused(t *testing.T, b *bench) {
	id := b.dispatch(t, "a")
	before := must(b.LastSeq(t.Context()))(t)
	for what, try := range map[string]func(*store.Tx) error{
		"an event of an unknown task": func(tx *store.Tx) error { return appendAll(tx, "t7", 0, event.StopRequested{}) },
		"a second birth":              func(tx *store.Tx) error { return appendAll(tx, id, 0, event.DispatchRequested{}) },
		"a birth without a task":      func(tx *store.Tx) error { return appendAll(tx, "", 0, event.DispatchRequested{}) },
		"a birth with a strange id":   func(tx *store.Tx) error { return appendAll(tx, "x1", 0, event.DispatchRequested{}) },
	} {
		if err := b.Request(t.Context(), try); err == nil {
			t.Errorf("%s was taken", what)
		}
	}
	b.request(t, func(tx *store.Tx) error {
		if appendAll(tx, "t7", 0, event.StopRequested{}) == nil {
			t.Error("an event of an unknown task was taken")
		}
		return appendAll(tx, id, 0, event.StopRequested{}) // a rejected event does not end the transaction
	})
	if got := must(b.LastSeq(t.Context()))(t); got != before+1 {
		t.Errorf("the log went from %d to %d, want one more", before, got)
	}
}

func rolledBack(t *testing.T, b *bench) {
	id := b.dispatch(t, "a")
	boom := errors.New("boom")
	w := b.writer(t)
	update(t, w, func(*store.Tx) error { return nil })
	fail := func(tx *store.Tx) error {
		other := tx.NewTaskID()
		if err := appendAll(tx, other, 0, event.DispatchRequested{}); err != nil {
			t.Error(err)
		}
		if err := appendAll(tx, id, 1, event.TaskMoved{To: event.Done}); err != nil {
			t.Error(err)
		}
		if got, _, _ := tx.Task(id); got.State != event.Done {
			t.Errorf("within the transaction the task is %s, want done", got.State)
		}
		tx.SetOffset("f", 9)
		return boom
	}
	for what, err := range map[string]error{
		"request": b.Request(t.Context(), fail), "update": w.Update(t.Context(), true, fail),
	} {
		if !errors.Is(err, boom) {
			t.Errorf("%s: %v, want boom", what, err)
		}
	}
	b.state(t, id, event.Queued)
	if got := must(b.LastSeq(t.Context()))(t); got != 1 {
		t.Errorf("last event is %d, want 1", got)
	}
	update(t, w, func(tx *store.Tx) error {
		if got, ok, err := tx.Task(id); err != nil || !ok || got.State != event.Queued {
			t.Errorf("the writer remembers %s (%v, %v), want queued", got.State, ok, err)
		}
		if n := len(slices.Collect(tx.Line())); n != 1 {
			t.Errorf("%d tasks are in line, want 1", n)
		}
		if o := tx.Offset("f"); o != 0 {
			t.Errorf("offset %d, want 0", o)
		}
		same(t, "next id", tx.NewTaskID(), event.TaskID("t2"))
		return nil
	})
}

func panicked(t *testing.T, b *bench) {
	w := b.writer(t)
	for _, run := range []func(func(*store.Tx) error) error{
		func(fn func(*store.Tx) error) error { return b.Request(t.Context(), fn) },
		func(fn func(*store.Tx) error) error { return w.Update(t.Context(), false, fn) },
	} {
		func() {
			defer func() { _ = recover() }()
			_ = run(func(tx *store.Tx) error {
				_ = appendAll(tx, tx.NewTaskID(), 0, event.DispatchRequested{})
				panic("boom")
			})
			t.Error("the panic was swallowed")
		}()
	}
	same(t, "id after it", b.dispatch(t, "a"), event.TaskID("t1"))
	update(t, w, func(tx *store.Tx) error {
		same(t, "births", tx.Births(), true)
		return nil
	})
}
