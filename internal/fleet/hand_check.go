package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/home"
	"muster/internal/life"
	"muster/internal/scarce"
)

// meetLimit is how long a runner may take to introduce itself. A start takes some milliseconds on an idle machine.
const meetLimit = 30 * time.Second

// runJob starts a job, or finds its state. It returns a result that is not final while the job runs: either the runner
// has introduced itself, which must be recorded, or its end must be waited for. The action is repeated then, by
// whichever supervisor runs then. judged is what a round of checks judges.
func (s *Supervisor) runJob(ctx context.Context, j Job, judged Snapshot) (state JobState, open result, err error) {
	run, _ := j.Task.Job(j.Name)
	busy := run.Process
	defer func() {
		if err != nil && busy.PID != 0 { // nobody will wait for it
			err = errors.Join(err, s.endRunner(context.WithoutCancel(ctx), j, busy, err))
		}
	}()
	state, err = s.cfg.Jobs.State(ctx, j)
	open.refused = state.False
	if err != nil {
		return state, open, err
	}
	if state.Finished {
		if err := s.lacked(state); err != nil {
			err = fault.Wrap(fault.Failed, err, "%s of %s did not find what it needs", j.Name, j.Task.ID)
			return state, open, errors.Join(err, s.cfg.Jobs.Unready(ctx, j))
		}
		return state, open, nil
	}
	if state.Running {
		lost := s.begin(ctx, j, run)
		if lost == nil {
			open.wait, open.limit = run.Process, life.JobLimit(j.Steps)
			return state, open, nil
		}
		if err := s.endRunner(ctx, j, run.Process, lost); err != nil {
			return state, open, err
		}
	}
	if busy, err = s.stillThere(ctx, j.Task.ID); err != nil {
		return state, open, err
	}
	for n := state.Starts; ; n++ {
		if busy.PID == 0 {
			if busy, err = s.startRunner(ctx, j, n); err != nil {
				return state, open, err
			}
		}
		met, lost := s.meet(ctx, j, busy)
		if lost == nil {
			met.Action, met.For, met.Name, met.Run = j.Action, j.For, j.Name, life.NextRun(j.Task, j.Name, j.Action)
			met.Commit, met.Tree, met.Changed = judged.Commit, judged.Tree, judged.Changed
			met.Findings, met.Skipped, met.Size = judged.Findings, judged.Skipped, judged.Size
			open.met = &met
			return state, open, nil
		}
		if ctx.Err() != nil {
			return state, open, lost
		}
		if !errors.Is(lost, ErrRunnerGone) {
			if err := s.endRunner(ctx, j, busy, lost); err != nil {
				return state, open, err
			}
		}
		busy = event.ProcessRef{}
	}
}

// meet waits for the introduction of a runner, for a limited time.
func (s *Supervisor) meet(ctx context.Context, j Job, p event.ProcessRef) (event.JobStarted, error) {
	ctx, cancel := context.WithTimeout(ctx, meetLimit)
	defer cancel()
	met, err := s.cfg.Jobs.Meet(ctx, j, p)
	met.Process = p
	return met, err
}

// begin lets a runner that is in the log start its steps, in a limited time.
func (s *Supervisor) begin(ctx context.Context, j Job, run event.JobStarted) error {
	ctx, cancel := context.WithTimeout(ctx, meetLimit)
	defer cancel()
	return s.cfg.Jobs.Begin(ctx, j, run)
}

// endRunner ends a process in the check window that does not run the job as it should (one that was stopped, one of an
// older version, one whose job file was changed), or for whose end nothing will wait.
func (s *Supervisor) endRunner(ctx context.Context, j Job, p event.ProcessRef, why error) error {
	s.cfg.Logger.Warn("end a runner", "task", j.Task.ID, "job", j.Name, "pid", p.PID, "err", why)
	return s.cfg.Processes.EndJob(ctx, j.Task.ID, p, 0)
}

// startRunner starts the process of a job that was started n times before.
func (s *Supervisor) startRunner(ctx context.Context, j Job, n int) (event.ProcessRef, error) {
	if life.StartsUsed(j.Task, j.Name, j.Action, n) {
		return event.ProcessRef{}, fault.New(fault.Conflict, "%s was started %d times and never finished", j.Name, max(n, life.NextRun(j.Task, j.Name, j.Action)-1))
	}
	if !life.Wanted(j.Task, j.For) {
		return event.ProcessRef{}, fmt.Errorf("%s was ended with the work of its task", j.Name)
	}
	spec, err := s.cfg.Jobs.Ready(ctx, j)
	if err != nil {
		return event.ProcessRef{}, err
	}
	pane, err := s.cfg.Terminal.Open(ctx, Window{
		Session: home.Slugged(j.Task.ID, j.Task.Spec.Slug), Role: RoleCheck, Dir: j.Task.Worktree,
		Argv: []string{s.cfg.Exe, "launch", spec}, Task: j.Task.ID, Gen: j.Task.Gen,
	})
	if scarce.Is(err) {
		err = errors.Join(err, s.cfg.Jobs.Unready(ctx, j))
	}
	if err != nil {
		return event.ProcessRef{}, err
	}
	return s.processOf(pane), nil
}

// lacked returns the shortage under which a job ran; nil if there was none. The output of the project's own commands
// counts only while admission is closed, too.
func (s *Supervisor) lacked(state JobState) error {
	if state.Scarce {
		return scarce.Lack(state.Error)
	}
	for _, r := range state.Results {
		if err := scarce.In(r.Excerpt); err != nil && !r.Green() && s.closed() != "" {
			return err
		}
	}
	return nil
}

// stillThere returns the process in the task's check window that has not ended. An earlier job leaves its result a
// moment before it ends, and a job that a dead supervisor started may not have begun.
func (s *Supervisor) stillThere(ctx context.Context, id event.TaskID) (event.ProcessRef, error) {
	pane, ok, err := s.find(ctx, func(p Pane) bool { return p.Task == id && p.Role == RoleCheck && !p.Dead })
	if err != nil || !ok {
		return event.ProcessRef{}, err
	}
	return s.processOf(pane), nil
}

// RoundName is the name of the job of a round, which an action runs.
func RoundName(round int, id event.ActionID) string { return fmt.Sprintf("round-%d-%s", round, id) }

// check judges the worktree: it takes a snapshot, runs the project's commands, and checks that the tree did not
// change.
func (s *Supervisor) check(ctx context.Context, t life.Task, id event.ActionID, args event.CheckArgs) result {
	job := Job{Task: t, Name: RoundName(args.Round, id), For: event.ActCheck, Action: id}
	var snap Snapshot
	if run, begun := t.Job(job.Name); begun {
		snap = Snapshot{Commit: run.Commit, Tree: run.Tree, Changed: run.Changed, Findings: run.Findings, Skipped: run.Skipped, Size: run.Size}
	} else {
		var err error
		if snap, err = s.cfg.Worktrees.Snapshot(ctx, t, args.Round); err != nil {
			return doneIn(err)
		}
	}
	round := event.RoundFinished{Round: args.Round, Commit: snap.Commit, Tree: snap.Tree, Changed: snap.Changed, Findings: snap.Findings, Size: snap.Size}
	if snap.Obstacle != "" { // no command of the project checks that
		round.Results = []event.CheckResult{{Name: obstacleCheck, Run: "muster", Exit: 1, Excerpt: snap.Obstacle}}
		return done(nil, round)
	}
	run, begun := t.Job(job.Name)
	if round.Environment = run.Environment; !begun {
		now, err := s.cfg.Jobs.Environment(ctx, t)
		if err != nil {
			return done(err)
		}
		round.Environment = now
		if judged, ok := life.Reuse(t, args, snap.Tree, snap.Changed, now); ok {
			round.Results, round.Fence, round.Reused = judged.Results, judged.Fence, true
			return done(nil, round)
		}
	}
	for _, c := range t.Spec.Checks {
		if !slices.Contains(snap.Skipped, c.Name) {
			job.Steps = append(job.Steps, c)
		}
	}
	if len(job.Steps) == 0 {
		round.Results = withSkipped(t.Spec.Checks, snap.Skipped, nil)
		return done(nil, round)
	}
	state, open, err := s.runJob(ctx, job, snap)
	switch {
	case err != nil:
		return done(err).refusing(state)
	case open.pending():
		return open
	case state.Error != "":
		return failed(life.FailAgain, state.Error)
	}
	tree, err := s.cfg.Worktrees.Tree(ctx, t)
	if err != nil {
		return doneIn(err)
	}
	round.Moved = tree != snap.Tree
	round.Results = withSkipped(t.Spec.Checks, snap.Skipped, state.Results)
	if begun {
		round.Fence = run.Fence
	}
	return done(nil, round)
}

// withSkipped adds the checks that a round has left out to its results, in the order of the checks.
func withSkipped(checks []event.Check, skipped []string, results []event.CheckResult) []event.CheckResult {
	if len(skipped) == 0 {
		return results
	}
	var all []event.CheckResult
	for _, c := range checks {
		if slices.Contains(skipped, c.Name) {
			all = append(all, event.CheckResult{Name: c.Name, Run: c.Run, Skipped: true})
		}
		for _, r := range results {
			if r.Name == c.Name {
				all = append(all, r)
			}
		}
	}
	return all
}

// obstacleCheck is the name of the check that fails if the work can't be published as it is.
const obstacleCheck = "unfinished work"

// publish publishes the judged tree, and opens its change.
func (s *Supervisor) publish(ctx context.Context, t life.Task, args event.PublishArgs) result {
	p, err := s.cfg.Shipper.Publish(ctx, t, args.Tree)
	if err == nil && t.Spec.Publish == event.PublishPR && s.cfg.Changes != nil {
		p, err = s.cfg.Changes.Open(ctx, t, p)
	}
	if err != nil {
		return doneIn(err)
	}
	return done(nil, p)
}

// keep keeps everything in the worktree that is not published, under a private ref.
func (s *Supervisor) keep(ctx context.Context, t life.Task) result {
	if t.Worktree == "" {
		return result{}
	}
	gone, stashErr := s.watchStash(ctx, t)
	ref, err := s.cfg.Worktrees.Keep(ctx, t)
	if err == nil {
		err = stashErr // the mark that holds its entries may go with the worktree next
	}
	r := done(err)
	if ref != "" {
		r.facts = append(r.facts, event.WorkKept{Ref: ref})
	}
	return r.with(gone)
}

// clean removes the worktree of published work. Files that git ignores are removed; everything else is kept first.
func (s *Supervisor) clean(ctx context.Context, t life.Task) result {
	r := s.keep(ctx, t)
	if r.failure != nil {
		return r
	}
	if err := s.cfg.Worktrees.Remove(ctx, t); err != nil {
		return done(err)
	}
	if err := removeTemp(s.cfg.Home, t); err != nil {
		s.cfg.Logger.Warn("remove temporary files", "task", t.ID, "err", err)
	}
	r.facts = append(r.facts, event.WorktreeRemoved{})
	return r
}

// remove removes everything of a task except its branch and its events.
func (s *Supervisor) remove(ctx context.Context, t life.Task, args event.RemoveArgs) result {
	if err := s.cfg.Processes.End(ctx, t, s.cfg.Launcher.EndPolicy(t).Grace); err != nil {
		return done(err)
	}
	r := result{}
	if t.Worktree != "" {
		if r = s.clean(ctx, t); r.failure != nil && args.Force && ctx.Err() == nil {
			// The repository is gone, or something in the worktree can be neither read nor removed. No work is
			// deleted.
			at, err := s.cfg.Worktrees.SetAside(ctx, t)
			if err != nil {
				return done(err)
			}
			r = done(nil, event.WorktreeRemoved{SetAside: at})
		}
		if r.failure != nil {
			return r
		}
	}
	if err := s.cfg.Terminal.Close(ctx, home.Slugged(t.ID, t.Spec.Slug)); err != nil {
		return done(err)
	}
	if err := removeFiles(s.cfg.Home, t); err != nil {
		return done(err)
	}
	r.facts = append(r.facts, event.TaskRemoved{})
	return r
}

func (s *Supervisor) restore(ctx context.Context, t life.Task, args event.RestoreArgs) result {
	if err := s.cfg.Worktrees.Restore(ctx, t, args.Ref); err != nil {
		return done(err)
	}
	return done(nil, event.WorktreeReady{Path: s.cfg.Home.Worktree(t.ID, t.Spec.Slug), Branch: t.Branch, Base: t.Base})
}
