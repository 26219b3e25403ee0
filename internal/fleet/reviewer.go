package fleet

import (
	"muster/internal/event"
	"muster/internal/life"
)

// reviews does what a decision about a task means for another one: a review that is wanted is queued, one that is no longer
// wanted is stopped, and the end of one is told to the task whose work it is about. All of it is in the transaction of the
// decision, so a supervisor that dies never leaves one half of it. before is the task before the decision.
func (d *decision) reviews(before life.Task) error {
	after, ok, err := d.tx.Task(before.ID)
	if err != nil || !ok {
		return err
	}
	if spec, prompt, wanted := life.ReviewOrder(after); wanted {
		id := d.tx.NewTaskID()
		if _, err := d.tx.AppendTo(event.OfTask(id), 0, event.DispatchRequested{Spec: spec, Prompt: prompt}); err != nil {
			return err
		}
		if _, err := d.tx.AppendTo(event.OfTask(after.ID), after.Gen, event.ReviewBegun{Task: id}); err != nil {
			return err
		}
		d.moved = true
	}
	if was := before.Inspection; was != nil && was.Reviewer != "" && (after.Inspection == nil || after.Inspection.Reviewer != was.Reviewer) {
		if err := d.stopReview(was.Reviewer); err != nil {
			return err
		}
	}
	if of := after.Spec.Review; of != nil && !before.State.Final() && after.State.Final() {
		return d.decide(of.Task, life.ReviewEnded{ReviewFinished: life.ReviewOutcome(after)})
	}
	return nil
}

// stopReview stops a review that is no longer wanted.
func (d *decision) stopReview(id event.TaskID) error {
	t, ok, err := d.tx.Task(id)
	if err != nil || !ok || t.State.Final() || t.Stopping {
		return err
	}
	if _, err := d.tx.AppendTo(event.OfTask(id), t.Gen, event.StopRequested{}); err != nil {
		return err
	}
	return d.decide(id, life.Heard{Payload: event.StopRequested{}})
}
