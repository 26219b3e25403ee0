package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/fleet"
	"muster/internal/life"
)

// failpoints is called at each place where the world and the log can differ: before and after every transaction that
// records an intent or an outcome, and every call of an edge that reads or changes the world. A name says what is done
// to what, such as before/tmux.open/t1.2/agent. The same name again means that the same thing is done again.
type failpoints func(name string)

// around reports the failpoint before something, and returns the function that reports the one after it.
func (at failpoints) around(what string, of ...any) (after func()) {
	name := what
	for _, o := range of {
		name += "/" + fmt.Sprint(o)
	}
	at("before/" + name)
	return func() { at("after/" + name) }
}

// wrapped returns a supervisor's configuration whose edges report each failpoint, so that it can be killed there.
func wrapped(c fleet.Config, at failpoints) fleet.Config {
	c.Log = pointLog{c.Log, at}
	c.Terminal = pointTerminal{c.Terminal, at}
	c.Worktrees = pointWorktrees{c.Worktrees, at}
	c.Shipper = pointShipper{c.Shipper, at}
	c.Merger = pointMerger{c.Merger, at}
	c.Changes = pointChanges{c.Changes, at}
	c.Launcher = pointLauncher{c.Launcher, at}
	c.Channel = pointChannel{c.Channel, at}
	c.Jobs = pointJobs{c.Jobs, at}
	c.Processes = pointProcesses{c.Processes, at}
	return c
}

type pointLog struct {
	fleet.Log
	at failpoints
}

// Update implements fleet.Log. The actions of a transaction name its failpoints.
func (l pointLog) Update(ctx context.Context, durable bool, fn func(fleet.Tx) error) error {
	var said []string
	err := l.Log.Update(ctx, durable, func(tx fleet.Tx) error {
		p := &pointTx{Tx: tx}
		err := fn(p)
		if said = p.said; err == nil {
			l.all("before/", said)
		}
		return err
	})
	if err == nil {
		l.all("after/", said)
	}
	return err
}

func (l pointLog) all(when string, said []string) {
	for _, name := range said {
		l.at(when + name)
	}
}

type pointTx struct {
	fleet.Tx
	said []string
}

// AppendTo implements fleet.Tx.
func (t *pointTx) AppendTo(of event.Subject, gen int, p event.Payload) (event.Event, error) {
	switch p := p.(type) {
	case event.ActionIntended:
		t.said = append(t.said, fmt.Sprintf("intent/%s/%s/%s", nameOf(of), p.Action.ID, p.Action.Kind()))
	case event.ActionFinished:
		t.said = append(t.said, fmt.Sprintf("outcome/%s/%s/%s", nameOf(of), p.ID, p.What))
	}
	return t.Tx.AppendTo(of, gen, p)
}

// nameOf names a subject of actions. The key of a merge queue has the path of its repository, which is another one in each
// run.
func nameOf(of event.Subject) string {
	if of.Queue != "" {
		return "queue"
	}
	return of.Key()
}

type pointTerminal struct {
	fleet.Terminal
	at failpoints
}

func (t pointTerminal) Open(ctx context.Context, w fleet.Window) (fleet.Pane, error) {
	defer t.at.around("tmux.open", fmt.Sprintf("%s.%d", w.Task, w.Gen), w.Role)()
	return t.Terminal.Open(ctx, w)
}

func (t pointTerminal) Panes(ctx context.Context) ([]fleet.Pane, error) {
	defer t.at.around("tmux.panes")()
	return t.Terminal.Panes(ctx)
}

func (t pointTerminal) ExitStatus(ctx context.Context, pane string) (exit, signal int, known bool, err error) {
	defer t.at.around("tmux.exit", pane)()
	return t.Terminal.ExitStatus(ctx, pane)
}

func (t pointTerminal) Screen(ctx context.Context, pane string) (string, error) {
	defer t.at.around("tmux.screen", pane)()
	return t.Terminal.Screen(ctx, pane)
}

func (t pointTerminal) Styled(ctx context.Context, pane string) (string, error) {
	defer t.at.around("tmux.screen", pane)()
	return t.Terminal.Styled(ctx, pane)
}

func (t pointTerminal) Paste(ctx context.Context, pane string, texts ...string) error {
	tag, _, _ := strings.Cut(texts[0], "]") // of the message
	defer t.at.around("tmux.paste", pane, tag[strings.LastIndexByte(tag, ' ')+1:])()
	return t.Terminal.Paste(ctx, pane, texts...)
}

func (t pointTerminal) Keys(ctx context.Context, pane string, keys ...string) error {
	defer t.at.around("tmux.keys", pane, strings.Join(keys, "+"))()
	return t.Terminal.Keys(ctx, pane, keys...)
}

func (t pointTerminal) Close(ctx context.Context, session string) error {
	defer t.at.around("tmux.close", session)()
	return t.Terminal.Close(ctx, session)
}

type pointWorktrees struct {
	fleet.Worktrees
	at failpoints
}

func (w pointWorktrees) Prepare(ctx context.Context, t life.Task) (event.WorktreeReady, error) {
	defer w.at.around("git.prepare", t.ID)()
	return w.Worktrees.Prepare(ctx, t)
}

func (w pointWorktrees) Snapshot(ctx context.Context, t life.Task, round int) (fleet.Snapshot, error) {
	defer w.at.around("git.snapshot", t.ID, round)()
	return w.Worktrees.Snapshot(ctx, t, round)
}

func (w pointWorktrees) Tree(ctx context.Context, t life.Task) (string, error) {
	defer w.at.around("git.tree", t.ID, t.State, t.Rounds.Count)()
	return w.Worktrees.Tree(ctx, t)
}

func (w pointWorktrees) Keep(ctx context.Context, t life.Task) (string, error) {
	defer w.at.around("git.keep", t.ID)()
	return w.Worktrees.Keep(ctx, t)
}

func (w pointWorktrees) Restore(ctx context.Context, t life.Task, ref string) error {
	defer w.at.around("git.restore", t.ID)()
	return w.Worktrees.Restore(ctx, t, ref)
}

func (w pointWorktrees) Remove(ctx context.Context, t life.Task) error {
	defer w.at.around("git.remove", t.ID)()
	return w.Worktrees.Remove(ctx, t)
}

type pointShipper struct {
	fleet.Shipper
	at failpoints
}

func (s pointShipper) Publish(ctx context.Context, t life.Task, tree string) (event.WorkPublished, error) {
	defer s.at.around("git.publish", t.ID)()
	return s.Shipper.Publish(ctx, t, tree)
}

type pointMerger struct {
	fleet.Merger
	at failpoints
}

func (m pointMerger) Build(ctx context.Context, t life.Task, args event.BuildArgs) (event.MergeBuilt, error) {
	defer m.at.around("merge.build", len(args.Entries))()
	return m.Merger.Build(ctx, t, args)
}

func (m pointMerger) Scratch(ctx context.Context, t life.Task, id event.QueueID, commit string, inUse bool) (string, error) {
	defer m.at.around("merge.scratch", inUse)()
	return m.Merger.Scratch(ctx, t, id, commit, inUse)
}

func (m pointMerger) Land(ctx context.Context, t life.Task, id event.QueueID, args event.LandArgs) error {
	defer m.at.around("merge.land", args.Lead)()
	return m.Merger.Land(ctx, t, id, args)
}

type pointChanges struct {
	fleet.Changes
	at failpoints
}

// Open implements fleet.Changes.
func (s pointChanges) Open(ctx context.Context, t life.Task, p event.WorkPublished) (event.WorkPublished, error) {
	defer s.at.around("forge.open", t.ID)()
	return s.Changes.Open(ctx, t, p)
}

type pointLauncher struct {
	fleet.Launcher
	at failpoints
}

func (a pointLauncher) Ready(ctx context.Context, o fleet.Order) (string, []event.Payload, error) {
	defer a.at.around("agent.ready", o.Task.ID, o.Gen)()
	return a.Launcher.Ready(ctx, o)
}

type pointChannel struct {
	fleet.Channel
	at failpoints
}

func (a pointChannel) Post(ctx context.Context, t life.Task, m fleet.Text) error {
	defer a.at.around("mail.post", t.ID, m.ID)()
	return a.Channel.Post(ctx, t, m)
}

func (a pointChannel) Confirm(ctx context.Context, t life.Task, gen int, m event.MessageID) (fleet.Trace, error) {
	defer a.at.around("mail.look", t.ID, gen, m)()
	return a.Channel.Confirm(ctx, t, gen, m)
}

func (a pointChannel) Answer(ctx context.Context, t life.Task, id event.ActionID, args event.AnswerArgs) error {
	defer a.at.around("mail.answer", t.ID, id)()
	return a.Channel.Answer(ctx, t, id, args)
}

func (a pointLauncher) Retire(ctx context.Context, t life.Task, gen int) error {
	defer a.at.around("agent.retire", t.ID, gen)()
	return a.Launcher.Retire(ctx, t, gen)
}

type pointJobs struct {
	fleet.Jobs
	at failpoints
}

func (j pointJobs) Ready(ctx context.Context, job fleet.Job) (string, error) {
	defer j.at.around("job.ready", job.Task.ID, job.Name)()
	return j.Jobs.Ready(ctx, job)
}

func (j pointJobs) Unready(ctx context.Context, job fleet.Job) error {
	defer j.at.around("job.unready", job.Task.ID, job.Name)()
	return j.Jobs.Unready(ctx, job)
}

func (j pointJobs) Note(ctx context.Context, job fleet.Job, value any) error {
	defer j.at.around("job.note", job.Task.ID, job.Name)()
	return j.Jobs.Note(ctx, job, value)
}

type pointProcesses struct {
	fleet.Processes
	at failpoints
}

func (p pointProcesses) End(ctx context.Context, t life.Task, grace time.Duration) error {
	defer p.at.around("end", t.ID, t.State)()
	return p.Processes.End(ctx, t, grace)
}

func (p pointProcesses) Signal(of event.ProcessRef, signal int) error {
	defer p.at.around("signal", signal)()
	return p.Processes.Signal(of, signal)
}
