package control

import (
	"fmt"
	"slices"
	"strings"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
	"muster/internal/store"
)

// Send queues a message to the agent of a task; a parked task comes back by it.
type Send struct {
	Task event.TaskID
	Text string
}

func (c Send) do(tx *store.Tx) (out Outcome, err error) {
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
	m := event.NewMessageID(t.LastMessage + 1)
	_, err = tx.Append(t.ID, t.Gen, event.SendRequested{Message: m, Text: text})
	return Outcome{Task: t.ID, Message: m}, err
}

// goesOn refuses tasks that have ended or are about to.
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

// Answer decides the open permission request or question of a task.
type Answer struct {
	Task     event.TaskID
	Decision event.Decision
	Text     string // the words of a reply; with a denial, how to go on instead
	Request  string // which request is meant; "" for the one that is open
}

func (c Answer) do(tx *store.Tx) (out Outcome, err error) {
	t, err := present(tx, c.Task)
	if err != nil {
		return out, err
	}
	if err := goesOn(t, "take an answer"); err != nil {
		return out, err
	}
	r := t.Request
	switch {
	case r == nil:
		return out, fault.New(fault.Conflict, "%s is %s and asks nothing", t.ID, t.State).
			WithHint("To tell it something: muster send %s TEXT", t.ID)
	case c.Request != "" && c.Request != r.Request:
		return out, fault.New(fault.Conflict, "request %s of %s is no longer open", c.Request, t.ID).
			WithHint("See what it asks now: muster show %s", t.ID)
	}
	text, err := c.decide(t)
	if err != nil {
		return out, err
	}
	_, err = tx.Append(t.ID, t.Gen, event.AnswerRequested{Request: r.Request, Decision: c.Decision, Text: text})
	return Outcome{Task: t.ID}, err
}

// decide checks that the decision fits what is asked, and gives its text.
func (c Answer) decide(t life.Task) (text string, err error) {
	if c.Decision == event.Reply || c.Text != "" {
		if text, err = plain("the answer", c.Text, maxMessage); err != nil {
			return "", err
		}
	}
	switch c.Decision {
	case event.Allow, event.Deny, event.Reply:
	default:
		return "", fault.New(fault.Usage, "unknown decision %q", c.Decision).WithHint("Answer with allow, deny, or a text.")
	}
	switch {
	case t.Request.Reason == event.WaitPermission && c.Decision == event.Reply:
		return "", fault.New(fault.Conflict, "%s asks for a permission, and a text is no answer to it", t.ID).
			WithHint("Allow or deny it; a text may go with a denial.")
	case t.Request.Reason == event.WaitQuestion && c.Decision == event.Allow:
		return "", fault.New(fault.Conflict, "%s asks a question, which cannot be allowed", t.ID).
			WithHint("Answer it with a text%s.", options(t.Request.Options))
	}
	return text, nil
}

func options(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return ": one of " + strings.Join(all, " | ")
}

// Interrupt interrupts the turn of a task's agent.
type Interrupt struct{ Task event.TaskID }

func (c Interrupt) do(tx *store.Tx) (out Outcome, err error) {
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
	_, err = tx.Append(t.ID, t.Gen, event.InterruptRequested{})
	return Outcome{Task: t.ID}, err
}

// Stop ends a task gracefully and keeps its work. Stopping twice is fine.
type Stop struct{ Task event.TaskID }

func (c Stop) do(tx *store.Tx) (out Outcome, err error) {
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
	_, err = tx.Append(t.ID, t.Gen, event.StopRequested{})
	return Outcome{Task: t.ID}, err
}

// Retry brings a parked task back.
type Retry struct{ Task event.TaskID }

func (c Retry) do(tx *store.Tx) (out Outcome, err error) {
	t, err := present(tx, c.Task)
	if err != nil {
		return out, err
	}
	if err := goesOn(t, "be retried"); err != nil {
		return out, err
	}
	if t.State != event.Parked {
		return out, fault.New(fault.Conflict, "%s is %s; only parked tasks are retried", t.ID, t.State).
			WithHint("It goes on by itself; to tell it something: muster send %s TEXT", t.ID)
	}
	_, err = tx.Append(t.ID, t.Gen, event.RetryRequested{})
	return Outcome{Task: t.ID}, err
}

// Remove removes what an ended or parked task has left behind. What would lose work is found out by the supervisor,
// which looks at the worktree; with Force the work is kept under its ref first.
type Remove struct {
	Task  event.TaskID
	Force bool
}

func (c Remove) do(tx *store.Tx) (out Outcome, err error) {
	t, err := present(tx, c.Task)
	if err != nil {
		return out, err
	}
	if !t.State.Final() && t.State != event.Parked {
		return out, fault.New(fault.Conflict, "%s is %s; only ended and parked tasks are removed", t.ID, t.State).
			WithHint("Stop it first: muster stop %s", t.ID)
	}
	_, err = tx.Append(t.ID, t.Gen, event.RemoveRequested{Force: c.Force})
	return Outcome{Task: t.ID}, err
}

// Restore brings kept work of a task back into its worktree, also after the task was removed.
type Restore struct {
	Task event.TaskID
	Ref  string // which kept work; "" for the newest
}

func (c Restore) do(tx *store.Tx) (out Outcome, err error) {
	t, err := task(tx, c.Task)
	if err != nil {
		return out, err
	}
	ref := c.Ref
	switch {
	case len(t.Kept) == 0:
		return out, fault.New(fault.NotFound, "%s has no kept work", t.ID).
			WithHint("%s", whereWorkIs(t))
	case ref == "":
		ref = t.Kept[len(t.Kept)-1]
	case !slices.Contains(t.Kept, ref):
		return out, fault.New(fault.NotFound, "%s has no kept work %s", t.ID, ref).
			WithHint("It has %s.", strings.Join(t.Kept, ", "))
	}
	if !t.State.Final() && t.State != event.Parked || t.Agent.Live {
		return out, fault.New(fault.Conflict, "%s is %s; its worktree is in use", t.ID, t.State).
			WithHint("Stop it first: muster stop %s", t.ID)
	}
	_, err = tx.Append(t.ID, t.Gen, event.RestoreRequested{Ref: ref})
	return Outcome{Task: t.ID}, err
}

func whereWorkIs(t life.Task) string {
	switch {
	case t.Worktree != "":
		return fmt.Sprintf("Its work is in its worktree: %s", t.Worktree)
	case t.Branch != "":
		return fmt.Sprintf("Its work is on its branch: %s", t.Branch)
	}
	return "It has not begun to work."
}

// Down tells the fleet to be down.
type Down struct{ Mode event.DownMode } // "" leaves agents as they are

func (c Down) do(tx *store.Tx) (out Outcome, err error) {
	switch c.Mode {
	case "":
		c.Mode = event.DownLeave
	case event.DownLeave, event.DownDrain, event.DownKill:
	default:
		return out, fault.New(fault.Usage, "unknown mode %q", c.Mode).WithHint("Choose leave, drain or kill.")
	}
	_, err = tx.Append("", 0, event.DownRequested{Mode: c.Mode})
	return out, err
}

// Up tells the fleet to be up. It starts nothing by itself.
type Up struct{}

func (Up) do(tx *store.Tx) (out Outcome, err error) {
	_, err = tx.Append("", 0, event.UpRequested{})
	return out, err
}
