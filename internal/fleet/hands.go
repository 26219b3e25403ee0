package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
	"muster/internal/scarce"
)

// actLimit bounds any single act; the long ones (checks, setup) are jobs that nobody waits for here.
const actLimit = 2 * time.Minute

// do carries out one job in a worker.
func (s *Supervisor) do(ctx context.Context, j job) result {
	ctx, cancel := context.WithTimeout(ctx, actLimit)
	defer cancel()
	if j.death != nil {
		return s.findDeath(ctx, j)
	}
	t, ok, err := s.Log.Task(ctx, j.task)
	if err != nil || !ok { // that our own log cannot be read now is no fault of the task
		return result{job: j, failure: again(fmt.Errorf("read task %s: %w", j.task, err)), scarce: err != nil && canWait(j.action.Kind)}
	}
	r := s.act(ctx, t, j)
	r.job = j
	r.scarce = r.scarce && canWait(j.action.Kind) && !t.Stopping && !t.Shelved && !t.State.Final()
	if r.wait.PID == 0 {
		s.Point("act")
	}
	if r.failure != nil {
		s.Logger.Warn("action failed", "task", j.task, "action", j.action.Kind, "err", r.failure.Text)
	}
	return r
}

// act is the table of all actions.
func (s *Supervisor) act(ctx context.Context, t life.Task, j job) result {
	a := j.action
	switch a.Kind {
	case event.ActPrepare:
		return s.prepare(ctx, t)
	case event.ActStart:
		return s.start(ctx, t, a)
	case event.ActDeliver:
		return s.deliver(ctx, t, a, j.again)
	case event.ActLook:
		return s.look(ctx, t, a)
	case event.ActAnswer:
		return done(s.Agents.Answer(ctx, t, a))
	case event.ActInterrupt:
		return s.interrupt(ctx, t)
	case event.ActProbe:
		return s.probe(ctx, t, a)
	case event.ActEnd:
		return s.end(ctx, t)
	case event.ActCheck:
		return s.check(ctx, t, a)
	case event.ActPublish:
		return s.publish(ctx, t, a)
	case event.ActClean:
		return s.clean(ctx, t)
	case event.ActKeep:
		return s.keep(ctx, t)
	case event.ActClose:
		return done(s.Terminal.Close(ctx, t.Session))
	case event.ActRemove:
		return s.remove(ctx, t)
	case event.ActRestore:
		return s.restore(ctx, t, a)
	}
	return failed(life.FailRefused, "this version of muster knows no action "+string(a.Kind))
}

// done is the outcome of an act that finds nothing out.
func done(err error, facts ...event.Payload) result {
	if err != nil {
		return result{failure: failure(err), scarce: scarce.Is(err)}
	}
	return result{facts: facts}
}

func failed(kind life.FailureKind, text string) result {
	return result{failure: &life.Failure{Kind: kind, Text: text}}
}

func again(err error) *life.Failure {
	return &life.Failure{Kind: life.FailAgain, Text: err.Error()}
}

// failure says what can be done about an error: what a person must change is refused, all else may work later.
func failure(err error) *life.Failure {
	f := again(err)
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
