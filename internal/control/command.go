package control

import (
	"context"
	"slices"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
	"muster/internal/store"
	"muster/internal/text"
)

// Send queues a message to the agent of a task. A message to a parked task starts it again.
type Send struct {
	Task event.TaskID
	Text string
}

func (c Send) do(ctx context.Context, of *Control) (Outcome, error) { return of.ask(ctx, c.request) }

func (c Send) request(tx *store.Tx, front event.Front) (out Outcome, err error) {
	t, err := present(tx, c.Task)
	if err != nil {
		return out, err
	}
	text, err := plain("the message", c.Text, maxMessage)
	if err != nil {
		return out, err
	}
	if err := goesOn(t, "take a message"); err != nil {
		return out, err
	}
	if t.State == event.Publishing { // its agent is ending, and no other starts
		return out, fault.New(fault.Conflict, "%s is being published: its agent has ended and cannot take a message", t.ID).
			WithHint("Wait for its end with `muster wait %s`. %s", t.ID, again(t))
	}
	if used, spent := t.OverBudget(); spent && t.State == event.Parked {
		return out, fault.New(fault.Conflict, "%s has spent its budget (%s) and cannot take a message", t.ID, used).
			WithHint("`muster retry %s` grants the same budget once more.", t.ID)
	}
	m := event.NewMessageID(t.LastMessage + 1)
	_, err = tx.Append(t.ID, t.Gen, event.SendRequested{Message: m, Text: text, Front: front})
	return Outcome{Task: t.ID, Message: m, effect: takenUp("send", t)}, err
}

// goesOn returns an error for tasks that have ended or are being stopped.
func goesOn(t life.Task, what string) error {
	switch {
	case t.State.Final():
		return ended(t, what)
	case t.Stopping:
		return fault.New(fault.Conflict, "%s is being stopped and cannot %s", t.ID, what).
			WithHint("Wait for its end with `muster wait %s`.", t.ID)
	}
	return nil
}

// Interrupt interrupts the turn of a task's agent.
type Interrupt struct{ Task event.TaskID }

func (c Interrupt) do(ctx context.Context, of *Control) (Outcome, error) {
	return of.ask(ctx, c.request)
}

func (c Interrupt) request(tx *store.Tx, front event.Front) (out Outcome, err error) {
	t, err := present(tx, c.Task)
	if err != nil {
		return out, err
	}
	if err := goesOn(t, "be interrupted"); err != nil {
		return out, err
	}
	if !t.Agent.Live {
		return out, fault.New(fault.Conflict, "%s is %s: no agent runs that could be interrupted", t.ID, t.State).
			WithHint("See what it is doing: muster show %s", t.ID)
	}
	_, err = tx.Append(t.ID, t.Gen, event.InterruptRequested{Front: front})
	return Outcome{Task: t.ID, effect: takenUp("interrupt", t)}, err
}

// Stop ends a task gracefully and keeps its work. Stopping it a second time does nothing.
type Stop struct{ Task event.TaskID }

func (c Stop) do(ctx context.Context, of *Control) (Outcome, error) { return of.ask(ctx, c.request) }

func (c Stop) request(tx *store.Tx, front event.Front) (out Outcome, err error) {
	t, err := present(tx, c.Task)
	if err != nil {
		return out, err
	}
	switch {
	case t.Stopping || t.State == event.Cancelled:
		return Outcome{Task: t.ID}, nil
	case t.State.Final():
		return out, fault.New(fault.Conflict, "%s is %s already", t.ID, t.State).
			WithHint("To remove what it left behind: muster rm %s", t.ID)
	}
	_, err = tx.Append(t.ID, t.Gen, event.StopRequested{Front: front})
	return Outcome{Task: t.ID, effect: takenUp("stop", t)}, err
}

// Retry starts a parked task again. From then on its work may have the findings that Allow lists.
type Retry struct {
	Task  event.TaskID
	Allow []event.FindingKind
}

func (c Retry) do(ctx context.Context, of *Control) (Outcome, error) { return of.ask(ctx, c.request) }

func (c Retry) request(tx *store.Tx, front event.Front) (out Outcome, err error) {
	t, err := present(tx, c.Task)
	if err != nil {
		return out, err
	}
	if err := goesOn(t, "be retried"); err != nil {
		return out, err
	}
	if t.State != event.Parked {
		return out, fault.New(fault.Conflict, "%s is %s; only parked tasks are retried", t.ID, t.State).
			WithHint("It continues without help; to tell it something: muster send %s TEXT", t.ID)
	}
	for _, k := range c.Allow {
		if !slices.Contains(event.FindingKinds(), k) {
			return out, fault.New(fault.Usage, "%q is nothing that work is found to have", k).WithHint("Use one of: %s.", text.Some(event.FindingKinds(), len(event.FindingKinds())))
		}
	}
	_, err = tx.Append(t.ID, t.Gen, event.RetryRequested{Allow: c.Allow, Front: front})
	return Outcome{Task: t.ID, effect: takenUp("retry", t)}, err
}
