package fleet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/life"
	"muster/internal/scarce"
)

// start starts the agent process of a generation, or finds that it runs already.
func (s *Supervisor) start(ctx context.Context, t life.Task, a event.Action, args event.StartArgs) result {
	if a.Gen != t.Gen {
		return failed(life.FailAgain, "a newer generation exists")
	}
	if pane, ok, err := s.pane(ctx, t.ID, a.Gen); err != nil {
		return done(err)
	} else if ok { // a supervisor died, or its act failed, between the launch and its record
		facts, err := s.cfg.Launcher.Facts(t, a.Gen)
		if err != nil {
			return done(err)
		}
		return s.launchedIn(pane, facts)
	}
	if err := s.endOlder(ctx, t, a.Gen); err != nil {
		return done(err)
	}
	if !s.cfg.Worktrees.There(t) { // to begin in an empty one is for a person to decide, and is done by prepare
		return failed(life.FailRefused, "its worktree is gone, and muster has not removed it: "+t.Worktree+". Retry makes it again from the task's branch")
	}
	order, arrived, err := s.order(ctx, t, a, args)
	if err != nil {
		return done(err)
	}
	spec, facts, err := s.cfg.Launcher.Ready(ctx, order)
	if err != nil {
		return done(err)
	}
	pane, err := s.cfg.Terminal.Open(ctx, Window{
		Session: home.Slugged(t.ID, t.Spec.Slug), Role: RoleAgent, Dir: t.Worktree,
		Argv: []string{s.cfg.Exe, "launch", spec}, Task: t.ID, Gen: a.Gen, Record: s.cfg.Launcher.Recorder(t, a.Gen),
	})
	if err != nil {
		return done(err)
	}
	return s.launchedIn(pane, append(arrived, facts...))
}

// endOlder ends the processes of older generations: an agent whose end was not noticed, or tools that a killed agent
// left behind. Two agents must never work in one worktree.
func (s *Supervisor) endOlder(ctx context.Context, t life.Task, gen int) error {
	pid, held := s.cfg.Processes.Holder(t.ID)
	if gen == 1 && !held {
		return nil
	}
	if err := s.cfg.Processes.End(ctx, t, s.cfg.Launcher.EndPolicy(t).Grace); err != nil {
		return fmt.Errorf("something of the task still runs (%d): %w", pid, err)
	}
	return nil
}

// launchedIn reports the process of a pane.
func (s *Supervisor) launchedIn(pane Pane, arrived []event.Payload) result {
	return done(nil, append(arrived, event.AgentLaunched{Process: s.processOf(pane), Pane: pane.ID, Session: pane.Session})...)
}

// processOf returns the process of a pane. It may have ended without tmux noticing; Watch reports that at once.
func (s *Supervisor) processOf(pane Pane) event.ProcessRef {
	p, ok := s.cfg.Processes.Identify(pane.PID)
	if !ok {
		p = event.ProcessRef{PID: pane.PID}
	}
	return p
}

// order collects the data of a generation: the prompt, and the messages that the previous one did not get.
func (s *Supervisor) order(ctx context.Context, t life.Task, a event.Action, args event.StartArgs) (Order, []event.Payload, error) {
	prompt, err := s.cfg.Log.Prompt(ctx, t.ID)
	if err != nil {
		return Order{}, nil, err
	}
	if of := t.Spec.Review; of != nil {
		asked, err := s.cfg.Log.Prompt(ctx, of.Task)
		if err != nil {
			return Order{}, nil, err
		}
		prompt += life.ReviewedTask(asked)
	}
	o := Order{Task: t, Gen: a.Gen, Prompt: prompt, Action: a.ID, Resume: args.Resume}
	var arrived []event.Payload
	for _, id := range args.Messages {
		if a.Gen > 1 {
			trace, err := s.cfg.Channel.Confirm(ctx, t, a.Gen-1, id)
			if err != nil { // the check failed, and a message must not arrive twice
				return Order{}, nil, err
			}
			if trace == TraceArrived {
				arrived = append(arrived, event.MessageMoved{Message: id, To: event.MessageAcked, Evidence: "found in the conversation"})
				continue
			}
		}
		text, err := s.cfg.Log.MessageText(ctx, t.ID, id)
		if err != nil {
			return Order{}, nil, err
		}
		o.Messages = append(o.Messages, Text{ID: id, Text: text})
	}
	return o, arrived, nil
}

// pane returns the agent's pane of a generation.
func (s *Supervisor) pane(ctx context.Context, id event.TaskID, gen int) (Pane, bool, error) {
	return s.find(ctx, func(p Pane) bool { return p.Task == id && p.Gen == gen && p.Role == RoleAgent })
}

// find returns a pane of the terminal. An error means that nothing is known.
func (s *Supervisor) find(ctx context.Context, is func(Pane) bool) (Pane, bool, error) {
	panes, err := s.cfg.Terminal.Panes(ctx)
	if err != nil {
		return Pane{}, false, err
	}
	if i := slices.IndexFunc(panes, is); i >= 0 {
		return panes[i], true, nil
	}
	return Pane{}, false, nil
}

// findDeath returns how an agent's process ended. It reads the agent's last records first, because they were written
// before the end.
func (s *Supervisor) findDeath(ctx context.Context, j job) result {
	d := j.death
	r := result{job: j, exited: &life.Exited{Gen: d.gen, Cause: event.CauseOwn, Exit: d.death.Exit, Signal: d.death.Signal, Known: d.death.Known}}
	t, ok, err := s.cfg.Log.Task(ctx, j.of.Task)
	if err != nil || !ok {
		s.cfg.Logger.Error("read task of an ended process", "task", j.of.Task, "err", err)
	}
	if s.lost(ctx, d) {
		r.exited.Cause = event.CauseLost
		if err := s.cfg.Processes.End(ctx, t, 0); err != nil {
			s.cfg.Logger.Warn("end what outlived its terminal", "task", j.of.Task, "err", err)
		}
	} else if !r.exited.Known && d.pane != "" {
		exit, signal, known, err := s.cfg.Terminal.ExitStatus(ctx, d.pane)
		if err == nil && known {
			r.exited.Exit, r.exited.Signal, r.exited.Known = exit, signal, true
		}
	}
	quit := r.exited.Cause == event.CauseOwn && r.exited.Known && r.exited.Exit == 0 && r.exited.Signal == 0
	if quit && t.Spec.Traits.Resumes && s.hungUp(ctx, d.pane) {
		r.exited.Known = false // some agents end with status 0 when somebody closes their terminal; that is no quit
	}
	s.cfg.Records.Flush(ctx, j.of.Task, d.gen)
	s.cfg.Records.Forget(j.of.Task, d.gen)
	if r.exited.Known && !s.begun(j.of.Task, d.gen) {
		switch r.exited.Exit {
		case scarce.ExitStatus:
			r.exited.Cause = event.CauseLost
			r.exited.Lack = "a launch lacked something, see the screen of " + string(j.of.Task)
		case scarce.HeldExitStatus:
			r.exited.Cause = event.CauseLost
			pid, _ := s.cfg.Processes.Holder(j.of.Task)
			r.exited.Held = fmt.Sprintf("a process of the task that muster could not end holds its lock (%d)", pid)
		}
	}
	if ok {
		if err := s.cfg.Launcher.Retire(ctx, t, d.gen); err != nil {
			s.cfg.Logger.Warn("put the status file away", "task", j.of.Task, "err", err)
		}
	}
	return r
}

// begun reports whether a launch became the agent, which writes a record first.
func (s *Supervisor) begun(id event.TaskID, gen int) bool {
	st, err := os.Stat(s.cfg.Home.StatusFile(id, gen))
	return err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && st.Size() > 0
}

// lost reports whether the process ended together with its terminal: its server was replaced or is gone. A slow
// server has lost nothing. A server that ends hangs up on its panes a moment before its process is gone, but it
// answers nothing then. Without a pane, the end cannot be blamed on the agent.
func (s *Supervisor) lost(ctx context.Context, d *deathOf) bool {
	if d.pane == "" {
		return true
	}
	_, _, _, err := s.cfg.Terminal.ExitStatus(ctx, d.pane)
	_, alive := s.cfg.Processes.Identify(s.cfg.Server.PID)
	return !alive || errors.Is(err, ErrNoWorld)
}

// hungUp reports whether a pane is gone. One whose process has ended by itself stays.
func (s *Supervisor) hungUp(ctx context.Context, pane string) bool {
	_, _, _, err := s.cfg.Terminal.ExitStatus(ctx, pane)
	return errors.Is(err, ErrNoPane)
}

// end ends everything that the task started.
func (s *Supervisor) end(ctx context.Context, t life.Task) result {
	grace := s.cfg.Launcher.EndPolicy(t).Grace
	end := func() error {
		runner, err := s.stillThere(ctx, t.ID) // a runner that has just started holds no lock yet
		return errors.Join(err, s.cfg.Processes.EndJob(ctx, t.ID, runner, grace), s.cfg.Processes.End(ctx, t, grace))
	}
	err := end()
	if err == nil {
		return result{}
	}
	pause := time.NewTimer(retryPause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
		return done(err)
	}
	return done(end())
}

// interrupt ends the agent's turn in the way of its kind. It never presses a key while a dialog is open, because the
// key would answer it.
func (s *Supervisor) interrupt(ctx context.Context, t life.Task) result {
	m := s.cfg.Launcher.EndPolicy(t)
	switch {
	case !t.Agent.Live:
		return result{}
	case len(m.InterruptKeys) == 0:
		return done(s.cfg.Processes.Signal(t.Agent.Process, m.InterruptSignal))
	case t.Request != nil:
		return failed(life.FailRefused, "the agent asks something, and a key would answer it; use `muster answer`")
	}
	return done(s.press(ctx, t.Agent.Pane, m.InterruptKeys))
}

// keyPause is the pause between two keys. A program takes Escape and what follows at once for one key.
const keyPause = 400 * time.Millisecond

// press presses keys one after another.
func (s *Supervisor) press(ctx context.Context, pane string, keys []string) error {
	for i, key := range keys {
		if i > 0 {
			pause := time.NewTimer(keyPause)
			defer pause.Stop()
			select {
			case <-pause.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := s.cfg.Terminal.Keys(ctx, pane, key); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes the worktree: branch, copied files, setup.
func (s *Supervisor) prepare(ctx context.Context, t life.Task, id event.ActionID) result {
	job := setupJob(t, id)
	removed := false
	if (t.Gen > 0 || t.Setup != nil) && !s.cfg.Worktrees.There(t) { // a person removed it, and what setup had left went with it
		if err := s.cfg.Jobs.Unready(ctx, job); err != nil {
			return done(err)
		}
		removed = true
	}
	ready, err := s.cfg.Worktrees.Prepare(ctx, t)
	if err != nil {
		if run := t.Setup; run != nil && run.Action == id { // nothing will wait for its process
			err = errors.Join(err, s.endRunner(context.WithoutCancel(ctx), job, run.Process, err))
		}
		return doneIn(err)
	}
	if strings.TrimSpace(t.Spec.Setup) == "" {
		return done(nil, ready)
	}
	if t.Gen > 0 && !removed && t.Setup == nil {
		return done(nil, ready) // an agent has worked there, so a version that did not record the setup has run it
	}
	t.Worktree, t.Branch, t.Base = ready.Path, ready.Branch, ready.Base
	job.Task = t
	r := s.setup(ctx, job)
	if !r.pending() { // the worktree exists even if the setup failed, and must be removed with the task
		r.facts = append(r.facts, ready)
	}
	return r
}

// setupJob is the project's setup as a job.
func setupJob(t life.Task, id event.ActionID) Job {
	return Job{
		Task: t, Name: "setup", For: event.ActPrepare, Action: id,
		Steps: []event.Check{{Name: "setup", Run: t.Spec.Setup, Timeout: t.Spec.Timeout}},
	}
}

// setup runs the project's setup in a new worktree.
func (s *Supervisor) setup(ctx context.Context, job Job) result {
	t := job.Task
	state, open, err := s.runJob(ctx, job, Snapshot{})
	switch {
	case err != nil:
		return done(err).refusing(state)
	case open.pending():
		return open
	}
	wrong, late := "", false
	if state.Error != "" {
		wrong = "setup did not run: " + state.Error
	}
	for _, r := range state.Results {
		if !r.Green() {
			wrong = fmt.Sprintf("setup `%s` failed: it %s\n%s\n(all of it: %s)", r.Run, life.HowEnded(r), r.Excerpt, r.Log)
			late = late || r.TimedOut
		}
	}
	if wrong == "" {
		if t.Gen == 0 { // otherwise the worktree has work of an agent
			err = s.cfg.Worktrees.Baseline(ctx, t)
		}
		return doneIn(err)
	}
	// It is run once more before a person is asked: what it needs of the network may be away for a moment only.
	var again bool
	if _, err := s.cfg.Jobs.Noted(ctx, job, &again); err != nil {
		return done(err)
	}
	again = !again && state.Error == "" && !late // it had all the time of its task already
	if err := s.cfg.Jobs.Note(ctx, job, again); err != nil {
		return done(err)
	}
	if err := s.cfg.Jobs.Unready(ctx, job); err != nil { // a retry of the task must run it again
		return done(err)
	}
	if again {
		return s.setup(ctx, job)
	}
	return failed(life.FailRefused, wrong)
}
