package fleettest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fleet"
	"muster/internal/life"
	"muster/internal/store"
)

// edges is the world as one supervisor sees and touches it.
type edges struct {
	w       *World
	life    int
	batches chan fleet.Batch
	deaths  chan fleet.Death
	wake    chan struct{}
	ctx     context.Context //nolint:containedctx // the life of the supervisor that it belongs to
}

// act runs fn for a supervisor that lives; a dead one changes nothing.
func (e edges) act(fn func() error) error {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	if e.dead() {
		return ErrDead
	}
	return fn()
}

func (e edges) dead() bool { return e.w.life != e.life || e.ctx.Err() != nil }

var errFlaky = errors.New("it did not work this time")

// Open implements fleet.Terminal.
func (e edges) Open(_ context.Context, win fleet.Window) (out fleet.Pane, err error) {
	err = e.act(func() error {
		w := e.w
		if w.chance(w.Odds.StartFails) {
			return errFlaky
		}
		for i, p := range w.panes {
			if p.Session == win.Session && p.Role == win.Role {
				if !p.proc.gone() {
					return fmt.Errorf("window %s of %s is alive", win.Role, win.Session)
				}
				w.panes = append(w.panes[:i], w.panes[i+1:]...)
				break
			}
		}
		p := w.spawn(win.Task, win.Gen, win.Role == fleet.RoleAgent)
		w.panes = append(w.panes, &pane{proc: p, Pane: fleet.Pane{
			ID: fmt.Sprintf("%%%d", p.pid), PID: p.pid, Session: win.Session, Task: win.Task, Gen: win.Gen, Role: win.Role,
		}})
		out = w.panes[len(w.panes)-1].Pane
		spec := win.Argv[len(win.Argv)-1]
		if job, ok := strings.CutPrefix(spec, "job "); ok {
			j := w.jobs[job]
			j.running = p
			w.wg.Go(func() { w.runJob(p, j) })
			return nil
		}
		o := w.orders[fileID{win.Task, win.Gen}]
		w.wg.Go(func() { w.agent(p, o) })
		return nil
	})
	return out, err
}

// runJob judges the tree as it is when the job begins.
func (w *World) runJob(p *proc, j *jobState) {
	if !w.sleep(p, time.Minute) {
		return
	}
	w.with(p, func() {
		r := event.CheckResult{Name: "test", Run: "test"}
		if verdict := (j.tree*7919 + 13) % 100; verdict < w.Odds.Red {
			r.Exit, r.Excerpt = 1, fmt.Sprintf("tree %d is red", j.tree)
		}
		j.state.Finished, j.state.Results = true, []event.CheckResult{r}
		w.killLocked(p, 0, 0)
	})
}

// Panes implements fleet.Terminal.
func (e edges) Panes(context.Context) (out []fleet.Pane, err error) {
	err = e.act(func() error {
		for _, p := range e.w.panes {
			c := p.Pane
			c.Dead = p.proc.gone()
			out = append(out, c)
		}
		return nil
	})
	return out, err
}

// ExitStatus implements fleet.Terminal.
func (e edges) ExitStatus(_ context.Context, id string) (exit, signal int, known bool, err error) {
	err = e.act(func() error {
		for _, p := range e.w.panes {
			if p.ID == id && p.proc.gone() {
				exit, signal, known = p.proc.exit, p.proc.signal, true
			}
		}
		return nil
	})
	return exit, signal, known, err
}

// Paste implements fleet.Terminal; the agents of this world have mailboxes.
func (e edges) Paste(context.Context, string, string) error {
	return e.act(func() error { return nil })
}

// Keys implements fleet.Terminal.
func (e edges) Keys(context.Context, string, ...string) error {
	return e.act(func() error { return nil })
}

// Close implements fleet.Terminal.
func (e edges) Close(_ context.Context, session string) error {
	return e.act(func() error {
		var left []*pane
		for _, p := range e.w.panes {
			if p.Session != session {
				left = append(left, p)
				continue
			}
			e.w.killLocked(p.proc, 0, 1)
		}
		e.w.panes = left
		return nil
	})
}

// git runs an act of git, which fails now and then.
func (e edges) git(fn func()) error {
	return e.act(func() error {
		if e.w.chance(e.w.Odds.GitFails) {
			return fault.Wrap(fault.Failed, errFlaky, "git")
		}
		fn()
		return nil
	})
}

// Prepare implements fleet.Works.
func (e edges) Prepare(_ context.Context, t life.Task) (out event.WorktreeReady, err error) {
	err = e.git(func() {
		out = event.WorktreeReady{Path: "/w/" + string(t.ID), Branch: "muster/" + string(t.ID), Base: "base"}
	})
	return out, err
}

// Snapshot implements fleet.Works.
func (e edges) Snapshot(_ context.Context, t life.Task, _ int) (s fleet.Snapshot, err error) {
	err = e.git(func() {
		n := e.w.trees[t.ID]
		s = fleet.Snapshot{Commit: fmt.Sprintf("c%d", n), Tree: fmt.Sprintf("tree%d", n), Changed: n > 0}
	})
	return s, err
}

// Tree implements fleet.Works.
func (e edges) Tree(_ context.Context, t life.Task) (tree string, err error) {
	err = e.git(func() { tree = fmt.Sprintf("tree%d", e.w.trees[t.ID]) })
	return tree, err
}

// Publish implements fleet.Works.
func (e edges) Publish(_ context.Context, t life.Task, tree string) (p event.WorkPublished, err error) {
	n := 0
	moved := false
	err = e.git(func() {
		n = e.w.trees[t.ID]
		if moved = fmt.Sprintf("tree%d", n) != tree; moved {
			return
		}
		if (n*7919+13)%100 < e.w.Odds.Red {
			e.w.breach("%s: tree %d was published, and it is red", t.ID, n)
		}
		if b := e.w.branches[t.ID]; len(b) == 0 || b[len(b)-1] != n {
			e.w.branches[t.ID] = append(b, n)
		}
		if len(e.w.branches[t.ID]) > 1 {
			e.w.breach("%s: published %d times", t.ID, len(e.w.branches[t.ID]))
		}
	})
	if err == nil && moved {
		err = fleet.ErrMoved
	}
	return event.WorkPublished{Mode: t.Spec.Publish, Branch: t.Branch, Commit: fmt.Sprintf("c%d", n), Tree: tree}, err
}

// Keep implements fleet.Works.
func (e edges) Keep(_ context.Context, t life.Task) (ref string, err error) {
	err = e.git(func() { ref = "refs/muster/keep/" + string(t.ID) + "/1" })
	return ref, err
}

// Restore implements fleet.Works.
func (e edges) Restore(context.Context, life.Task, string) error { return e.git(func() {}) }

// Remove implements fleet.Works.
func (e edges) Remove(context.Context, life.Task) error { return e.git(func() {}) }

// Ready implements fleet.Agents.
func (e edges) Ready(_ context.Context, o fleet.Order) (string, error) {
	return "agent", e.act(func() error {
		e.w.orders[fileID{o.Task.ID, o.Gen}] = o
		return nil
	})
}

// Post implements fleet.Agents: what was posted before is not posted again.
func (e edges) Post(_ context.Context, t life.Task, m fleet.Text) error {
	return e.act(func() error {
		key := fmt.Sprintf("%s.%d.%s", t.ID, t.Gen, m.ID)
		if _, posted := e.w.answers[key]; posted {
			return nil
		}
		p := e.w.alive(t.ID, t.Gen)
		if p == nil {
			return errors.New("the agent is gone")
		}
		e.w.answers[key] = event.Reply
		select {
		case p.mail <- m:
		default:
		}
		return nil
	})
}

// alive finds the living agent of a generation. The caller holds mu.
func (w *World) alive(id event.TaskID, gen int) *proc {
	for _, p := range w.procs {
		if p.agent && p.task == id && p.gen == gen && !p.gone() {
			return p
		}
	}
	return nil
}

// Look implements fleet.Agents.
func (e edges) Look(_ context.Context, t life.Task, gen int, id event.MessageID) (trace fleet.Trace, err error) {
	err = e.act(func() error {
		trace = fleet.TraceNone
		if e.w.heard[t.ID][id] > 0 {
			trace = fleet.TraceArrived
		} else if p := e.w.alive(t.ID, gen); p != nil {
			trace = fleet.TraceWaiting
		}
		return nil
	})
	return trace, err
}

// Answer implements fleet.Agents.
func (e edges) Answer(_ context.Context, t life.Task, a event.Action) error {
	return e.act(func() error {
		e.w.answers[a.Request] = a.Decision
		if p := e.w.alive(t.ID, t.Gen); p != nil {
			select {
			case p.kicked <- struct{}{}:
			default:
			}
		}
		return nil
	})
}

// Retire implements fleet.Agents.
func (e edges) Retire(context.Context, life.Task, int) error {
	return e.act(func() error { return nil })
}

// Manners implements fleet.Agents.
func (e edges) Manners(life.Task) fleet.Manners {
	return fleet.Manners{InterruptKeys: []string{"Escape"}, Grace: time.Second}
}

func (e edges) job(j fleet.Job) *jobState {
	key := string(j.Task.ID) + "/" + j.Name
	if e.w.jobs[key] == nil {
		e.w.jobs[key] = &jobState{}
	}
	return e.w.jobs[key]
}

// State implements fleet.Jobs.
func (e edges) State(_ context.Context, j fleet.Job) (s fleet.JobState, err error) {
	err = e.act(func() error {
		st := e.job(j)
		s = st.state
		if st.running != nil && !st.running.gone() {
			s.Running = st.running.pid
		}
		return nil
	})
	return s, err
}

// Ready of jobs shares its name with that of agents, so it lives on a type of its own.
type jobEdges struct{ edges }

// Ready implements fleet.Jobs.
func (e jobEdges) Ready(_ context.Context, j fleet.Job) (string, error) {
	return "job " + string(j.Task.ID) + "/" + j.Name, e.act(func() error {
		st := e.job(j)
		st.state.Starts++
		st.tree = e.w.trees[j.Task.ID]
		return nil
	})
}

// Note implements fleet.Jobs.
func (e edges) Note(_ context.Context, j fleet.Job, v any) error {
	return e.act(func() error {
		e.job(j).note = v
		return nil
	})
}

// Noted implements fleet.Jobs.
func (e edges) Noted(_ context.Context, j fleet.Job, into any) (ok bool, err error) {
	err = e.act(func() error {
		var snap fleet.Snapshot
		if snap, ok = e.job(j).note.(fleet.Snapshot); ok {
			*into.(*fleet.Snapshot) = snap //nolint:forcetypeassert // the only thing that is noted
		}
		return nil
	})
	return ok, err
}

// Follow implements fleet.Records.
func (e edges) Follow(t life.Task) {
	_ = e.act(func() error {
		id := fileID{t.ID, t.Gen}
		if _, ok := e.w.follow[id]; !ok {
			e.w.follow[id] = 0
		}
		e.w.push(id)
		return nil
	})
}

// Flush implements fleet.Records.
func (e edges) Flush(ctx context.Context, id event.TaskID, gen int) {
	var rest []event.Record
	_ = e.act(func() error {
		f := fileID{id, gen}
		if from, ok := e.w.follow[f]; ok {
			rest = append(rest, e.w.files[f][min(from, len(e.w.files[f])):]...)
			e.w.follow[f] = len(e.w.files[f])
		}
		return nil
	})
	if len(rest) == 0 {
		return
	}
	select {
	case e.batches <- fleet.Batch{Task: id, Gen: gen, Source: "status", Key: fmt.Sprintf("%s.%d", id, gen), Records: rest}:
	case <-ctx.Done():
	case <-e.ctx.Done():
	}
}

// Forget implements fleet.Records.
func (e edges) Forget(id event.TaskID, gen int) {
	_ = e.act(func() error {
		delete(e.w.follow, fileID{id, gen})
		return nil
	})
}

// Batches implements fleet.Records.
func (e edges) Batches() <-chan fleet.Batch { return e.batches }

// Wake implements fleet.Records.
func (e edges) Wake() <-chan struct{} { return e.wake }

// Identify implements fleet.Machine.
func (e edges) Identify(pid int) (ref event.ProcessRef, ok bool) {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	p := e.w.procs[pid]
	if p == nil || p.gone() {
		return ref, false
	}
	return event.ProcessRef{PID: p.pid, Start: p.start}, true
}

// Watch implements fleet.Machine.
func (e edges) Watch(ref event.ProcessRef, token any) {
	_ = e.act(func() error {
		p := e.w.procs[ref.PID]
		if p == nil {
			p = &proc{pid: ref.PID, ended: make(chan struct{})}
			close(p.ended)
		}
		x := &watched{proc: p, token: token, life: e.life}
		e.w.watch = append(e.w.watch, x)
		if p.gone() {
			e.w.tell(x)
		}
		return nil
	})
}

// Deaths implements fleet.Machine.
func (e edges) Deaths() <-chan fleet.Death { return e.deaths }

// End implements fleet.Machine.
func (e edges) End(_ context.Context, t life.Task, _ time.Duration) error {
	return e.act(func() error {
		for _, p := range e.w.procs {
			if p.task == t.ID {
				e.w.killLocked(p, 143, 0)
			}
		}
		return nil
	})
}

// Holder implements fleet.Machine.
func (e edges) Holder(id event.TaskID) (pid int, held bool) {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	for _, p := range e.w.procs {
		if p.agent && p.task == id && !p.gone() {
			return p.pid, true
		}
	}
	return 0, false
}

// Gate implements fleet.Machine.
func (e edges) Gate() string { return "" }

// Signal implements fleet.Machine.
func (e edges) Signal(event.ProcessRef, int) error { return e.act(func() error { return nil }) }

// memoryLog is the store as a supervisor sees it; a dead one writes nothing.
type memoryLog struct {
	edges
	writer *store.Writer
}

// Update implements fleet.Log.
func (l memoryLog) Update(ctx context.Context, durable bool, fn func(fleet.Tx) error) error {
	if l.ctx.Err() != nil {
		return ErrDead
	}
	return l.writer.Update(ctx, durable, func(tx *store.Tx) error { return fn(memoryTx{tx}) })
}

// Live implements fleet.Log.
func (l memoryLog) Live(ctx context.Context) ([]life.Task, error) { return l.w.Log.Live(ctx) }

// Task implements fleet.Log.
func (l memoryLog) Task(ctx context.Context, id event.TaskID) (life.Task, bool, error) {
	t, err := l.w.Log.Task(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return t, false, nil
	}
	return t, err == nil, err
}

// Prompt implements fleet.Log.
func (l memoryLog) Prompt(ctx context.Context, id event.TaskID) (string, error) {
	return l.w.Log.Prompt(ctx, id)
}

// MessageText implements fleet.Log.
func (l memoryLog) MessageText(ctx context.Context, id event.TaskID, m event.MessageID) (string, error) {
	return l.w.Log.MessageText(ctx, id, m)
}

type memoryTx struct{ *store.Tx }

// Due implements fleet.Tx.
func (tx memoryTx) Due(now time.Time) []fleet.Due {
	var out []fleet.Due
	for _, r := range tx.Tx.Due(now) {
		out = append(out, fleet.Due{Task: r.Task, Name: r.Deadline.Name})
	}
	return out
}
