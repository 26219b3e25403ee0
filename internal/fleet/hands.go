package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
)

// actLimit is the time limit of every action except those on a repository. Checks and setup run as jobs, and a worker
// does not wait for them.
const actLimit = 2 * time.Minute

// limitOf returns how long an action may take. A checkout with filters or a snapshot of a large repository may take
// as long as the task itself: git is ended earlier if it makes no progress.
func limitOf(t life.Task, k event.ActionKind) time.Duration {
	switch k {
	case event.ActPrepare, event.ActCheck, event.ActPublish, event.ActClean, event.ActKeep, event.ActRemove, event.ActRestore:
		return max(actLimit, t.Spec.Timeout)
	default:
		return actLimit
	}
}

// do carries out one job in a worker.
func (s *Supervisor) do(ctx context.Context, j job) result {
	if j.death != nil {
		ctx, cancel := context.WithTimeout(ctx, actLimit)
		defer cancel()
		return s.findDeath(ctx, j)
	}
	if j.of.Queue != "" {
		return s.doQueue(ctx, j)
	}
	t, ok, err := s.cfg.Log.Task(ctx, j.of.Task)
	if err != nil || !ok { // our own log can't be read now, which is not the task's fault
		failure := again(fmt.Errorf("read task %s: %w", j.of.Task, err))
		if err != nil {
			failure.Lack = event.PlaceMachine
		}
		return result{job: j, failure: failure}
	}
	return s.within(ctx, limitOf(t, j.action.Kind()), j, func(ctx context.Context) result { return s.act(ctx, t, j) })
}

// within carries out a job's action within a time limit.
func (s *Supervisor) within(ctx context.Context, limit time.Duration, j job, act func(context.Context) result) result {
	if j.run != nil {
		j.run.limit.Store(int64(limit))
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r := act(ctx)
	r.job = j
	if !r.pending() {
		s.cfg.Point("act")
	}
	if r.failure != nil {
		s.cfg.Logger.Warn("action failed", "subject", j.of.Key(), "action", j.action.Kind(), "err", r.failure.Text)
	}
	return r
}

// act calls the method of an action.
func (s *Supervisor) act(ctx context.Context, t life.Task, j job) result {
	switch args := j.action.Args.(type) {
	case event.PrepareArgs:
		return s.prepare(ctx, t, j.action.ID)
	case event.StartArgs:
		gone, _ := s.watchStash(ctx, t)
		return s.start(ctx, t, j.action, args).with(gone)
	case event.DeliverArgs:
		return s.deliver(ctx, t, j.action, j.again)
	case event.ConfirmArgs:
		return s.look(ctx, t, j.action)
	case event.AnswerArgs:
		return done(s.cfg.Channel.Answer(ctx, t, j.action.ID, args))
	case event.InterruptArgs:
		return s.interrupt(ctx, t)
	case event.ProbeArgs:
		if args.Launch {
			return s.lookAfterStart(ctx, t, j.action)
		}
		return s.probe(ctx, t, j.action)
	case event.EndArgs:
		return s.end(ctx, t)
	case event.CheckArgs:
		r := s.check(ctx, t, j.action.ID, args)
		if r.pending() {
			return r
		}
		gone, _ := s.watchStash(ctx, t)
		return r.with(gone)
	case event.PublishArgs:
		return s.publish(ctx, t, args)
	case event.CleanArgs:
		return s.clean(ctx, t)
	case event.KeepArgs:
		return s.keep(ctx, t)
	case event.CloseArgs:
		return done(s.cfg.Terminal.Close(ctx, t.Session))
	case event.RemoveArgs:
		return s.remove(ctx, t, args)
	case event.RestoreArgs:
		return s.restore(ctx, t, args)
	}
	return failed(life.FailRefused, "this version of muster knows no action "+string(j.action.Kind()))
}

// stashLimit is the time limit of WatchStash, which is only a side task of an action.
const stashLimit = 20 * time.Second

// watchStash returns the entries of the repository's stash that vanished since the last call for the task. A call
// that fails is repeated with the next action.
func (s *Supervisor) watchStash(ctx context.Context, t life.Task) ([]event.Payload, error) {
	ctx, cancel := context.WithTimeout(ctx, stashLimit)
	defer cancel()
	gone, err := s.cfg.Worktrees.WatchStash(ctx, t)
	if err != nil {
		s.cfg.Logger.Warn("look at the stash", "task", t.ID, "err", err)
	}
	var facts []event.Payload
	for _, e := range gone {
		facts = append(facts, e)
	}
	return facts, err
}

// with returns the result with more facts.
func (r result) with(facts []event.Payload) result {
	r.facts = append(r.facts, facts...)
	return r
}

// done returns the result of an action that has an error or the facts.
func done(err error, facts ...event.Payload) result {
	if err != nil {
		return result{failure: failure(err)}
	}
	return result{facts: facts}
}

func failed(kind life.FailureKind, text string) result {
	return result{failure: &life.Failure{Kind: kind, Text: text}}
}

func again(err error) *life.Failure {
	return &life.Failure{Kind: life.FailAgain, Text: err.Error()}
}

// failure returns an error as a failure. An error that a person must fix is refused; any other may not occur again
// later.
func failure(err error) *life.Failure {
	f := again(err)
	f.Lack = lackOf(err)
	if errors.Is(err, ErrMoved) {
		f.Kind = life.FailMoved
	}
	switch fault.CodeOf(err) {
	case fault.Usage, fault.NotFound, fault.Conflict:
		f.Kind = life.FailRefused
	case fault.Failed, fault.Timeout, fault.Interrupted:
	}
	if hint := fault.HintOf(err); hint != "" {
		f.Text += ". " + hint
	}
	return f
}
