package fleettest

import (
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/fleet"
	"muster/internal/life"
)

// edges is the world as one supervisor sees and changes it.
type edges struct {
	w       *World
	batches chan fleet.Batch
	deaths  chan fleet.Death
	wake    chan struct{}
	lost    chan struct{}
	tails   map[fileKey]*tail
	ctx     context.Context //nolint:containedctx // the life of the supervisor that it belongs to
	cancel  context.CancelFunc
}

func (e *edges) dead() bool { return e.w.alive != e || e.ctx.Err() != nil }

// die kills the supervisor, as SIGKILL does.
func (e *edges) die() {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	e.dieLocked()
}

func (e *edges) dieLocked() {
	if e.w.alive == e {
		e.w.alive = nil
	}
	e.cancel()
}

// pause waits. It returns false if the supervisor dies or ctx ends meanwhile.
func (e *edges) pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-e.ctx.Done():
	}
	return false
}

// unproved reports whether an action may succeed without having an effect, because only the agent could notice that.
// Actions whose effect the supervisor checks itself (on processes, worktrees and the log) never do that.
func unproved(op string) bool {
	switch op {
	case "pasting", "pressing Escape", "posting", "answering", "putting files away":
		return true
	}
	return false
}

// act carries out an action of a supervisor on the world. It takes time. It may fail, be refused for good, work
// although it returns an error, or return no error although it did nothing, and the supervisor may die before or
// after it. A dead supervisor changes nothing.
func (e *edges) act(ctx context.Context, op, who string, fn func() error) error {
	return e.actIn(ctx, "", op, who, fn)
}

// actIn is act for an action on a repository, each of which is on a disk of its own. repo is "" for any other action.
func (e *edges) actIn(ctx context.Context, repo, op, who string, fn func() error) error {
	w, l := e.w, e.w.Luck
	before := l.Span("before "+op, who, 50*time.Millisecond)
	if l.Fault(op+" is slow", who, 3) {
		before += l.Span("slow "+op, who, 4*time.Minute)
	}
	if repo != "" && l.Fault(op+" takes long, since the repository is large", who, 2) {
		before += l.Span("large "+op, who, 40*time.Minute)
	}
	if !e.pause(ctx, before) {
		return e.gaveUp(ctx, op, who)
	}
	if repo != "" && l.Fault(op+" never returns", who, 2) {
		<-e.ctx.Done() // it ignores the caller's ctx
		return ErrDead
	}
	lost, err := false, error(nil)
	w.mu.Lock()
	switch {
	case e.dead():
		err = ErrDead
	case l.Fault("the supervisor dies before "+op, who, 1):
		e.dieLocked()
		err = ErrDead
	case l.Fault(op+" fails", who, 10):
		err = errFlaky
	case repo != "" && w.movedAt[repo]:
		err = fault.New(fault.NotFound, "the repository %s is gone", repo)
	case repo != "" && w.fullAt[repo]:
		err = errReadOnly
	case l.Fault(op+" lacks something", who, 4):
		err = errScarce
		if repo == "" {
			w.shortAt = time.Now()
		}
	case l.Fault(op+" is refused", who, 1):
		err = fault.New(fault.Conflict, "%s is refused", op)
	case unproved(op) && l.Fault(op+" does nothing and says that it worked", who, 5):
	default:
		err = fn()
		if l.Fault("the supervisor dies after "+op, who, 1) {
			e.dieLocked()
		}
		lost = err == nil && l.Fault(op+" works and says that it failed", who, 5)
	}
	w.mu.Unlock()
	if err != nil {
		return err
	}
	if !e.pause(ctx, l.Span("after "+op, who, 50*time.Millisecond)) {
		return e.gaveUp(ctx, op, who)
	}
	if lost {
		return errFlaky
	}
	return nil
}

// gaveUp returns the error of an action whose ctx has ended. It returns a moment later, since a deadline of the same
// length as the action's limit would otherwise end at the same instant, and the order of the two would be open.
func (e *edges) gaveUp(ctx context.Context, op, who string) error {
	if e.ctx.Err() == nil && e.pause(context.Background(), e.w.Luck.Span("giving up "+op, who, 5*time.Millisecond)) {
		return ctx.Err()
	}
	return ErrDead
}

// Open implements fleet.Terminal.
func (e *edges) Open(ctx context.Context, win fleet.Window) (out fleet.Pane, err error) {
	w := e.w
	err = e.act(ctx, "opening a window", w.who(win.Task), func() error {
		all := w.panes[win.Task]
		for i, p := range all {
			if p.Role == win.Role {
				if !p.proc.gone {
					return fmt.Errorf("window %s of %s is alive", win.Role, win.Session)
				}
				all = append(all[:i:i], all[i+1:]...)
				break
			}
		}
		agent := win.Role == fleet.RoleAgent
		p := w.spawn(win.Task, win.Gen, agent)
		out = fleet.Pane{ID: fmt.Sprintf("%%%d", p.pid), PID: p.pid, Session: win.Session, Task: win.Task, Gen: win.Gen, Role: win.Role}
		w.panes[win.Task] = append(all, &pane{proc: p, Pane: out})
		if name, ok := strings.CutPrefix(win.Argv[len(win.Argv)-1], "job "); ok {
			j := w.jobs[name]
			j.running = p
			w.wg.Go(func() { // it does not wait for ever to be let begin
				if p.lives(beginLimit) {
					w.with(p, func() {
						if j.begun != p {
							w.kill(p, 1, 0)
						}
					})
				}
			})
			return nil
		}
		o := w.orders[fileID{win.Task, win.Gen}]
		if o.Task.Spec.Traits.ExitIsTurn { // its prompt is in a file that it was given
			for _, m := range o.Messages {
				w.hear(p, m.ID)
			}
		}
		w.wg.Go(func() { w.agent(p, o) })
		return nil
	})
	return out, err
}

func (w *World) who(id event.TaskID) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.names[id]
}

// beginLimit is how long a runner waits to be let begin.
const beginLimit = 10 * time.Minute

// runJob judges the tree that the worktree has when the job begins.
func (w *World) runJob(p *proc, j *jobState) {
	l := w.Luck
	long := l.Span("a job", p.who, time.Minute)
	if l.Fault("a job takes hours", p.who, 10) {
		long += l.Span("a long job", p.who, 5*time.Hour)
	}
	if l.Fault("a job is stopped", p.who, 10) {
		w.with(p, func() { p.stopped = true })
		<-p.end
		return
	}
	if !p.lives(long) {
		return
	}
	w.with(p, func() {
		if over, ok := w.judge.over[p.task]; ok && time.Since(over) > jobPatience {
			w.breach("%s: its job ran on for %s after the task had ended", p.task, time.Since(over))
		}
		if l.Fault("the worktree changes under its checks", p.who, 10) {
			if j.merged == "" {
				w.work(p.task).change()
			} else {
				w.base(w.judge.tasks[p.task]).changed = true
			}
		}
		if l.Fault("a job is killed", p.who, 20) {
			w.kill(p, 0, 9)
			return
		}
		if l.Fault("a job cannot be run", p.who, 10) {
			j.state, j.key = fleet.JobState{Starts: j.state.Starts, Finished: true, Error: "fork: resource temporarily unavailable"}, key(p)
			if j.state.Scarce = l.Fault("it is for what the machine lacks", p.who, 500); j.state.Scarce {
				w.shortAt = time.Now()
			}
			w.kill(p, 0, 0)
			return
		}
		r := event.CheckResult{Name: "test", Run: "test"}
		if l.Fault("the checks are red", p.who, 350) || w.outside && !j.setup {
			r.Exit, r.Excerpt = 1, fmt.Sprintf("tree %d is red", j.tree)
		} else if j.setup {
			w.work(p.task).ready = true
		} else if j.merged != "" {
			w.base(w.judge.tasks[p.task]).green[j.merged] = true
		} else {
			w.work(p.task).green[j.tree] = true
		}
		j.state, j.key = fleet.JobState{Starts: j.state.Starts, Finished: true, Results: []event.CheckResult{r}}, key(p)
		w.kill(p, 0, 0)
	})
}

// Panes implements fleet.Terminal.
func (e *edges) Panes(ctx context.Context) (out []fleet.Pane, err error) {
	key, _ := pprof.Label(ctx, fleet.SubjectLabel) // "" at adoption
	err = e.act(ctx, "listing panes", e.w.who(event.ParseSubject(key).Task), func() error {
		for _, id := range sortedIDs(e.w.panes) {
			for _, p := range e.w.panes[id] {
				c := p.Pane
				c.Dead = p.proc.gone
				out = append(out, c)
			}
		}
		return nil
	})
	return out, err
}

// pane finds a pane. The caller holds mu.
func (w *World) pane(id string) *pane {
	for _, all := range w.panes {
		for _, p := range all {
			if p.ID == id {
				return p
			}
		}
	}
	return nil
}

// whose returns the name of the task that a pane belongs to.
func (e *edges) whose(id string) string {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	if p := e.w.pane(id); p != nil {
		return p.proc.who
	}
	return "nobody"
}

// ExitStatus implements fleet.Terminal.
func (e *edges) ExitStatus(ctx context.Context, id string) (exit, signal int, known bool, err error) {
	err = e.act(ctx, "asking for a status", e.whose(id), func() error {
		if p := e.w.pane(id); p != nil && p.proc.gone {
			exit, signal, known = p.proc.exit, p.proc.signal, true
		}
		return nil
	})
	return exit, signal, known, err
}

// Paste implements fleet.Terminal.
func (e *edges) Paste(ctx context.Context, id string, texts ...string) error {
	return e.act(ctx, "pasting", e.whose(id), func() error {
		p := e.w.pane(id)
		switch {
		case p == nil:
			return fleet.ErrNoPane
		case p.proc.gone:
			return fleet.ErrDead
		case e.w.Luck.Fault("somebody scrolls in the pane", p.proc.who, 50):
			return fleet.ErrInMode
		}
		p.proc.typed(strings.Join(texts, ""))
		p.Pasted = texts[0]
		return nil
	})
}

// Keys implements fleet.Terminal.
func (e *edges) Keys(ctx context.Context, id string, keys ...string) error {
	return e.act(ctx, "pressing "+keys[0], e.whose(id), func() error {
		p := e.w.pane(id)
		switch {
		case p == nil || p.proc.gone:
			return fleet.ErrNoPane
		case keys[0] == "Escape":
			poke(p.proc.interrupt)
		case e.w.Luck.Fault("Enter is lost", p.proc.who, 50):
		case len(p.proc.draft) > 0:
			poke(p.proc.submit)
		}
		return nil
	})
}

// Close implements fleet.Terminal.
func (e *edges) Close(ctx context.Context, session string) error {
	id, _, _ := strings.Cut(session, "-")
	task := event.TaskID(id)
	return e.act(ctx, "closing a session", e.w.who(task), func() error {
		for _, p := range e.w.panes[task] {
			e.w.kill(p.proc, 0, 1)
		}
		delete(e.w.panes, task)
		return nil
	})
}

// Ready implements fleet.Launcher.
func (e *edges) Ready(ctx context.Context, o fleet.Order) (string, []event.Payload, error) {
	facts, err := e.Facts(o.Task, o.Gen)
	if err != nil {
		return "", nil, err
	}
	return "agent", facts, e.act(ctx, "making an agent ready", e.w.who(o.Task.ID), func() error {
		e.w.intended(o.Task.ID, event.ActStart, o.Action)
		e.w.orders[fileID{o.Task.ID, o.Gen}] = o
		if o.Task.Spec.Traits.Door == event.DoorPaste {
			return mkdir(e.w.home.NewGen(o.Task.ID, o.Gen).Dir)
		}
		return nil
	})
}

// Facts implements fleet.Launcher.
func (*edges) Facts(t life.Task, gen int) ([]event.Payload, error) {
	var facts []event.Payload
	if t.Spec.Review != nil {
		facts = append(facts, event.ReviewerSealed{Seal: event.SealOf(secretOf(t.ID, gen))})
	}
	if t.Spec.Fence == nil {
		return facts, nil
	}
	return append(facts, event.FenceApplied{ABI: 7, Seccomp: true, Read: gen, Write: 1, Policy: "agent"}), nil
}

// Typed implements fleet.Channel.
func (*edges) Typed(_ life.Task, m fleet.Text) []string {
	return []string{m.ID.Tag() + " ", m.Text}
}

// Posture implements fleet.Channel. Text whose Enter was lost is still in the input.
func (e *edges) Posture(ctx context.Context, t life.Task, _ string, texts []string) (posture fleet.Posture, err error) {
	err = e.act(ctx, "looking at the input", e.w.who(t.ID), func() error {
		if p := e.w.living(t.ID, t.Gen); p != nil && len(p.draft) > 0 {
			posture = fleet.PostureDraft
			if len(texts) > 0 && strings.HasPrefix(texts[0], p.draft[len(p.draft)-1].Tag()) {
				posture = fleet.PostureTyped
			}
		}
		return nil
	})
	return posture, err
}

// Post implements fleet.Channel. A message that was posted before is not posted again.
func (e *edges) Post(ctx context.Context, t life.Task, m fleet.Text) error {
	return e.act(ctx, "posting", e.w.who(t.ID), func() error {
		wk, key := e.w.work(t.ID), fmt.Sprintf("%d.%s", t.Gen, m.ID)
		if wk.posted[key] {
			return nil
		}
		if known, ok := e.w.judge.tasks[t.ID].Message(m.ID); ok && t.Spec.Traits.Aside && known.Why != event.WhyNudge && known.Why != event.WhyBudget {
			e.w.breach("%s: message %s reaches its agent framed as a notice that is not the user's", t.ID, m.ID)
		}
		p := e.w.living(t.ID, t.Gen)
		if p == nil {
			return errFlaky
		}
		wk.posted[key] = true
		select {
		case p.mail <- m:
		default:
		}
		return nil
	})
}

// living returns the living agent of a generation, or nil. The caller holds mu.
func (w *World) living(id event.TaskID, gen int) *proc {
	for _, p := range w.byTask[id] {
		if p.agent && p.gen == gen {
			return p
		}
	}
	return nil
}

// Confirm implements fleet.Channel.
func (e *edges) Confirm(ctx context.Context, t life.Task, gen int, id event.MessageID) (trace fleet.Trace, err error) {
	err = e.act(ctx, "looking for a message", e.w.who(t.ID), func() error {
		trace = fleet.TraceNone
		wk := e.w.work(t.ID)
		if wk.heard[id] > 0 {
			trace = fleet.TraceArrived
		} else if wk.posted[fmt.Sprintf("%d.%s", gen, id)] && e.w.living(t.ID, gen) != nil {
			trace = fleet.TraceWaiting
		}
		return nil
	})
	return trace, err
}

// Answer implements fleet.Channel.
func (e *edges) Answer(ctx context.Context, t life.Task, id event.ActionID, a event.AnswerArgs) error {
	return e.act(ctx, "answering", e.w.who(t.ID), func() error {
		e.w.intended(t.ID, event.ActAnswer, id)
		e.w.work(t.ID).answers[a.Request] = true
		if p := e.w.living(t.ID, t.Gen); p != nil {
			poke(p.answered)
		}
		return nil
	})
}

// OpenTool implements fleet.Records.
func (e *edges) OpenTool(ctx context.Context, t life.Task) (tool string, err error) {
	err = e.act(ctx, "looking for an open tool", e.w.who(t.ID), func() error {
		if e.w.Luck.Fault("a tool is open", e.w.names[t.ID], 200) {
			tool = "Bash"
		}
		return nil
	})
	return tool, err
}

// Screen implements fleet.Terminal.
func (e *edges) Screen(ctx context.Context, id string) (text string, err error) {
	err = e.act(ctx, "looking at a screen", e.whose(id), func() error {
		text = fmt.Sprint("a screen at ", e.w.now().UnixNano())
		if p := e.w.pane(id); p != nil && p.proc.dialog {
			text = "a dialog"
		}
		return nil
	})
	return text, err
}

// Styled implements fleet.Terminal.
func (e *edges) Styled(ctx context.Context, id string) (string, error) { return e.Screen(ctx, id) }

// Retire implements fleet.Launcher.
func (e *edges) Retire(ctx context.Context, t life.Task, _ int) error {
	return e.act(ctx, "putting files away", e.w.who(t.ID), func() error { return nil })
}

// Credential implements fleet.Launcher. A person who logs in changes it.
func (e *edges) Credential(life.Task) string {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	return fmt.Sprint("login ", e.w.logins)
}

// Recorder implements fleet.Launcher. No pane of this world shows anything that could be recorded.
func (e *edges) Recorder(life.Task, int) []string { return nil }

// EndPolicy implements fleet.Launcher.
func (e *edges) EndPolicy(life.Task) fleet.EndPolicy {
	return fleet.EndPolicy{InterruptKeys: []string{"Escape"}, MenuKeys: []string{"Escape"}, Grace: time.Second}
}

// Identify implements fleet.Processes.
func (e *edges) Identify(pid int) (ref event.ProcessRef, ok bool) {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	p := e.w.procs[pid]
	if p == nil {
		return ref, false
	}
	return event.ProcessRef{PID: p.pid, Start: p.start}, true
}

// Watch implements fleet.Processes.
func (e *edges) Watch(ref event.ProcessRef, token any) {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	if e.dead() {
		return
	}
	x := watcher{token: token, e: e}
	if p := e.w.procs[ref.PID]; p != nil {
		p.watchers = append(p.watchers, x)
		return
	}
	e.w.tell(&proc{pid: ref.PID, who: fmt.Sprint("process ", ref.PID)}, x)
}

// Deaths implements fleet.Processes.
func (e *edges) Deaths() <-chan fleet.Death { return e.deaths }

// End implements fleet.Processes.
func (e *edges) End(ctx context.Context, t life.Task, _ time.Duration) error {
	return e.act(ctx, "ending an agent", e.w.who(t.ID), func() error {
		for _, p := range append([]*proc(nil), e.w.byTask[t.ID]...) {
			if !p.agent {
				continue // a job has a runner of its own, which is not the agent's child
			}
			p.ended = true
			e.w.late(p)
			e.w.kill(p, 143, 0)
		}
		return nil
	})
}

// EndJob implements fleet.Processes.
func (e *edges) EndJob(ctx context.Context, id event.TaskID, _ event.ProcessRef, _ time.Duration) error {
	return e.act(ctx, "ending a job", string(id), func() error {
		for _, p := range append([]*proc(nil), e.w.byTask[id]...) {
			if p.agent {
				continue
			}
			if e.w.Luck.Fault("a job survives its end", p.who, 50) {
				return errFlaky
			}
			p.ended = true
			e.w.kill(p, 143, 0)
		}
		return nil
	})
}

// Holder implements fleet.Processes.
func (e *edges) Holder(id event.TaskID) (pid int, held bool) {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	for _, p := range e.w.byTask[id] {
		if p.agent {
			return p.pid, true
		}
	}
	return 0, false
}

// Closed implements fleet.Admission.
func (e *edges) Closed() string {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	return e.w.gate
}

// Signal implements fleet.Processes.
func (e *edges) Signal(ref event.ProcessRef, signal int) error {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	switch p := e.w.procs[ref.PID]; {
	case p == nil || e.dead():
	case signal == 9:
		e.w.kill(p, 0, signal)
	default:
		poke(p.interrupt)
	}
	return nil
}

// Stopped implements fleet.Processes.
func (e *edges) Stopped(ref event.ProcessRef) bool {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	p := e.w.procs[ref.PID]
	return p != nil && p.stopped
}
