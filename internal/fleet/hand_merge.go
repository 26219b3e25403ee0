package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/life"
)

// buildLimit is the time limit of merging, and of making the worktree of a merge queue. git is ended earlier if it makes
// no progress.
const buildLimit = time.Hour

// ErrCheckout means that a checkout of the base is in use, so that the base must not move now.
var ErrCheckout = errors.New("a checkout of the base is in use")

// doQueue carries out an action of a merge queue.
func (s *Supervisor) doQueue(ctx context.Context, j job) result {
	q, err := s.cfg.Log.Queue(ctx, j.of.Queue)
	if err != nil {
		return result{job: j, failure: again(fmt.Errorf("read the merge queue %s: %w", j.of.Queue, err))}
	}
	return s.within(ctx, buildLimit, j, func(ctx context.Context) result { return s.actQueue(ctx, q, j) })
}

// actQueue calls the method of an action.
func (s *Supervisor) actQueue(ctx context.Context, q life.Queue, j job) result {
	var lead event.TaskID
	switch args := j.action.Args.(type) {
	case event.BuildArgs:
		lead = args.Lead
	case event.JudgeArgs:
		lead = args.Lead
	case event.LandArgs:
		lead = args.Lead
	}
	t, ok, err := s.cfg.Log.Task(ctx, lead)
	switch {
	case err != nil:
		return done(err)
	case !ok:
		return failed(life.FailAgain, "there is no task "+string(lead))
	}
	switch args := j.action.Args.(type) {
	case event.BuildArgs:
		built, err := s.cfg.Merger.Build(ctx, t, args)
		if err == nil {
			built.Environment, err = s.cfg.Jobs.Environment(ctx, t)
		}
		return done(err, built)
	case event.JudgeArgs:
		return s.judge(ctx, q, t, j.action.ID, args)
	case event.LandArgs:
		return s.land(ctx, q, t, args)
	}
	return failed(life.FailRefused, "this version of muster knows no action "+string(j.action.Kind()))
}

// judge runs the checks on what was built, in a worktree of the queue's own. They are a job of the leading task, whose
// check window shows them.
func (s *Supervisor) judge(ctx context.Context, q life.Queue, t life.Task, id event.ActionID, args event.JudgeArgs) result {
	verdict := event.MergeJudged{Commit: args.Commit, Tree: args.Tree}
	steps := t.Spec.Checks
	if t.Spec.Setup != "" { // without it the checks of many projects cannot run, and what it does is the work's, too
		steps = append([]event.Check{{Name: "setup", Run: t.Spec.Setup, Timeout: t.Spec.Timeout}}, steps...)
	}
	if len(steps) == 0 {
		if q.Batch != nil {
			verdict.Environment = q.Batch.Environment
		}
		return done(nil, verdict)
	}
	job := Job{Task: t, Name: mergeJob(id), For: event.ActJudge, Action: id, Steps: steps}
	run, begun := q.Job(job.Name)
	if _, waits := t.MergeEntry(); !waits { // it may need its check window itself
		if begun {
			if err := s.cfg.Processes.EndJob(ctx, t.ID, run.Process, 0); err != nil {
				return done(err)
			}
		}
		return failed(life.FailAgain, "the task whose checks were run does not wait any more")
	}
	path, err := s.cfg.Merger.Scratch(ctx, t, q.ID, args.Commit, begun)
	if err != nil {
		return done(err)
	}
	job.Task.Worktree, job.Task.Round, job.Task.Setup = path, nil, nil
	if begun {
		job.Task.Round = &run
	}
	state, open, err := s.runJob(ctx, job, Snapshot{Commit: args.Commit, Tree: args.Tree})
	switch {
	case err != nil:
		return done(err)
	case open.pending():
		return open
	case state.Error != "":
		return failed(life.FailAgain, state.Error)
	}
	tree, err := s.cfg.Merger.ScratchTree(ctx, job.Task, path)
	if err != nil {
		return done(err)
	}
	verdict.Environment = run.Environment
	if verdict.Results = state.Results; tree != args.Tree {
		verdict.Void = "a check, or something beside it, changed files of the worktree " + path
	}
	return done(nil, verdict)
}

// mergeJob is the name of the job of a verdict.
func mergeJob(id event.ActionID) string { return "merge-" + string(id) }

// land makes the base branch lead to what was judged.
func (s *Supervisor) land(ctx context.Context, q life.Queue, t life.Task, args event.LandArgs) result {
	err := s.cfg.Merger.Land(ctx, t, q.ID, args)
	if errors.Is(err, ErrCheckout) {
		return failed(life.FailShut, strings.TrimPrefix(err.Error(), ErrCheckout.Error()+": "))
	}
	return done(err, event.MergeLanded{Old: args.Old, New: args.New, Tree: args.Tree})
}
