package fleet

import (
	"muster/internal/event"
	"muster/internal/life"
)

// queue calls life for one merge queue, writes its events, and tells its tasks what follows for them.
func (d *decision) queue(id event.QueueID, in life.Input) error {
	q, err := d.tx.Queue(id)
	if err != nil {
		return err
	}
	events, actions, told := life.DecideQueue(q, in, d.mode == "" && d.gate == "", d.now)
	for _, e := range events {
		if _, err := d.tx.AppendTo(e.Subject, e.Gen, e.Data); err != nil {
			return err
		}
		d.wrote = true
		switch p := e.Data.(type) {
		case event.ActionFinished:
			d.finished = true
		case event.JobStarted:
			d.met = append(d.met, openOf(q, p.Action)...)
		case event.MergeWithdrawn: // the checks may be a job of just this task
			for _, a := range q.Open {
				if args, ok := a.Args.(event.JudgeArgs); ok && args.Lead == p.Task {
					d.met = append(d.met, openOf(q, a.ID)...)
				}
			}
		default: // it concerns the queue alone
		}
	}
	for _, a := range actions {
		d.actions = append(d.actions, subjectAction{of: event.OfQueue(id), action: a})
	}
	for _, t := range told {
		if err := d.decide(t.Task, t.Input); err != nil {
			return err
		}
	}
	return nil
}

// openOf returns the open action of a queue with this id, as what a runner waits for.
func openOf(q life.Queue, id event.ActionID) (out []subjectAction) {
	for _, a := range q.Open {
		if a.ID == id {
			out = append(out, subjectAction{of: event.OfQueue(q.ID), action: a})
		}
	}
	return out
}

// tellQueue tells the queue of a task that is to be merged whether its work waits to be merged, if that has changed.
func (d *decision) tellQueue(id event.TaskID) error {
	t, ok, err := d.tx.Task(id)
	if err != nil || !ok {
		return err
	}
	q, err := d.tx.Queue(life.QueueOf(t))
	if err != nil {
		return err
	}
	if in := life.QueueInput(q, t); in != nil {
		return d.queue(q.ID, in)
	}
	return nil
}

// lookAtQueues continues the merge queues that could not go on before, such as while admission was closed.
func (d *decision) lookAtQueues(in life.Input) error {
	all, err := d.tx.Queues()
	if err != nil {
		return err
	}
	for _, q := range all {
		if len(q.Entries) == 0 && len(q.Deadlines) == 0 {
			continue
		}
		if err := d.queue(q.ID, in); err != nil {
			return err
		}
	}
	return nil
}

// merging reports whether an action of a merge queue is open.
func (d *decision) merging() bool {
	all, err := d.tx.Queues()
	if err != nil {
		return true // the transaction fails, too
	}
	for _, q := range all {
		if len(q.Open) > 0 {
			return true
		}
	}
	return false
}
