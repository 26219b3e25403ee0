package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"unicode/utf8"

	"muster/internal/agent"
	"muster/internal/agent/all"
	"muster/internal/event"
	"muster/internal/fleet"
	"muster/internal/life"
	"muster/internal/mail"
	"muster/internal/status"
	"muster/internal/store"
)

// records implements fleet.Records with a status.Watcher.
type records struct {
	watcher *status.Watcher
	agents  agents
	offset  func(key string) int64
	task    func(ctx context.Context, id event.TaskID) (life.Task, error)
	out     chan fleet.Batch
	flush   chan chan struct{}
	polling func(why string) // is told why files are polled, whenever that changes
	log     *slog.Logger

	mu sync.Mutex
	// unnamed are running generations whose adapter has named no file of the agent yet: some agents choose a path that only
	// their first record tells.
	unnamed map[generation]life.Task
}

// generation identifies a generation of a task.
type generation struct {
	task event.TaskID
	gen  int
}

func newRecords(w *status.Watcher, a agents, db *store.Store, polling func(why string), log *slog.Logger) *records {
	return &records{
		watcher: w, agents: a, out: make(chan fleet.Batch), flush: make(chan chan struct{}), polling: polling, log: log,
		unnamed: map[generation]life.Task{},
		task:    db.Task,
		offset: func(key string) int64 {
			o, err := db.Offset(context.Background(), key)
			if err != nil {
				log.Error("read offset", "file", key, "err", err)
			}
			return o
		},
	}
}

// Serve forwards batches until ctx ends.
func (r *records) Serve(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.watcher.Changed():
			r.polling(r.watcher.Polling())
		case b := <-r.watcher.Batches():
			r.handOn(ctx, b)
		case done := <-r.flush:
			for more := true; more; {
				select {
				case b := <-r.watcher.Batches():
					r.handOn(ctx, b)
				default:
					more = false
				}
			}
			close(done)
		}
	}
}

func (r *records) handOn(ctx context.Context, b status.Batch) {
	select {
	case r.out <- r.batch(b):
	case <-ctx.Done():
	}
}

func (r *records) batch(b status.Batch) fleet.Batch {
	if slices.ContainsFunc(b.Records, func(rec event.Record) bool { return rec.Transcript != "" }) {
		r.named(generation{b.Source.Task, b.Source.Gen})
	}
	out := fleet.Batch{
		Task: b.Source.Task, Gen: b.Source.Gen, Source: b.Source.Name, Key: key(b.Source), Offset: b.Offset,
		Records: b.Records, Refused: b.Rejected, Grew: b.Grew > 0 && (!b.Source.Ticks || len(b.Records) > 0),
	}
	if b.Source.Parse == nil {
		out.Size = b.Size
	}
	for _, rec := range out.Records {
		if rec.State != event.RecordWaiting || rec.Request == "" {
			continue
		}
		if out.Asks == nil {
			out.Asks = map[string]*event.Ask{}
		}
		out.Asks[rec.Request] = r.asked(out.Task, out.Gen, rec)
	}
	return out
}

// asked returns the complete request of a waiting agent. If the writer of the record stored no request, the record's
// text is all of it.
func (r *records) asked(id event.TaskID, gen int, rec event.Record) *event.Ask {
	box := mail.Of(r.agents.home.Gen(id, gen))
	ask, err := box.Asked(rec.Request, rec.Tool)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist):
		ask = event.NewAsk(rec.Tool, []byte(rec.Note))
		ask.Cut = ask.Cut || utf8.RuneCountInString(rec.Note) >= status.MaxNote
	default: // the agent's file cannot be shown
		r.log.Warn("read what an agent asks", "task", id, "request", rec.Request, "err", err)
		ask.Cut = true
	}
	ask.Use = r.use(id, rec.Tool, ask)
	return &ask
}

// use returns the description of a request for the task's rules; nil if it has none.
func (r *records) use(id event.TaskID, tool string, ask event.Ask) *event.ToolUse {
	t, err := r.task(context.Background(), id)
	if err != nil {
		r.log.Error("read the task of a request", "task", id, "err", err)
		return nil
	}
	if len(t.Spec.Permission) == 0 || tool == "" {
		return nil
	}
	ad, err := all.For(t.Spec)
	if err != nil {
		return nil
	}
	use := agent.Describe(ad, tool, []byte(ask.Input), t.Worktree)
	return &use
}

// key returns the key under which the offset of a file is stored.
func key(s status.Source) string { return fmt.Sprintf("%s.%d.%s", s.Task, s.Gen, s.Name) }

// Follow implements fleet.Records. The agent's own files are read from the place that their adapter names. Reading a
// record twice changes nothing.
func (r *records) Follow(t life.Task) {
	src := status.Source{Task: t.ID, Gen: t.Gen, Name: "status", Path: r.agents.home.StatusFile(t.ID, t.Gen)}
	src.From = r.offset(key(src))
	r.watcher.Add(src)
	if t.Agent.Process.PID == 0 {
		return
	}
	g := generation{t.ID, t.Gen}
	r.mu.Lock()
	r.unnamed[g] = t
	r.mu.Unlock()
	r.named(g)
}

// named follows the agent's own files if the adapter names any now.
func (r *records) named(g generation) {
	r.mu.Lock()
	t, waits := r.unnamed[g]
	r.mu.Unlock()
	if !waits {
		return
	}
	ad, l, err := r.agents.launch(t, t.Gen)
	if err != nil {
		r.log.Error("follow the agent's own files", "task", t.ID, "err", err)
		return
	}
	sources := ad.Sources(l, t.Agent.Process.PID)
	if len(sources) == 0 {
		return
	}
	r.mu.Lock()
	delete(r.unnamed, g)
	r.mu.Unlock()
	for _, s := range sources {
		r.watcher.Add(s)
	}
}

// Flush implements fleet.Records.
func (r *records) Flush(ctx context.Context, id event.TaskID, gen int) {
	r.watcher.Flush(ctx, id, gen)
	done := make(chan struct{})
	select {
	case r.flush <- done:
	case <-ctx.Done():
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// Forget implements fleet.Records.
func (r *records) Forget(id event.TaskID, gen int) {
	r.mu.Lock()
	delete(r.unnamed, generation{id, gen})
	r.mu.Unlock()
	r.watcher.Remove(id, gen)
}

// Follows implements fleet.Records.
func (r *records) Follows(id event.TaskID, gen int) bool { return r.watcher.Follows(id, gen) }

// Batches implements fleet.Records.
func (r *records) Batches() <-chan fleet.Batch { return r.out }

// Wake implements fleet.Records.
func (r *records) Wake() <-chan struct{} { return r.watcher.Wake() }

// OpenTool implements fleet.Records.
func (r *records) OpenTool(_ context.Context, t life.Task) (string, error) {
	return status.OpenTool(r.agents.home.StatusFile(t.ID, t.Gen))
}
