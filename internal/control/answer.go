package control

import (
	"context"
	"strconv"
	"strings"

	"muster/internal/text"

	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/life"
	"muster/internal/store"
)

// Answer decides the open permission request or question of a task. It has a decision or a person's words.
type Answer struct {
	Task     event.TaskID
	Decision event.Decision
	Text     string // the words of a reply; with a denial, how to go on instead
	Request  string // which request is meant; "" for the one that is open
	// Words, if not empty, are what a person wrote. What is asked decides what they mean: "allow" or "yes" and "deny" or
	// "no" decide a permission; a question is answered by the number of one of its options, or by any text.
	Words string
}

func (c Answer) do(ctx context.Context, of *Control) (Outcome, error) { return of.ask(ctx, c.request) }

func (c Answer) request(tx *store.Tx) (out Outcome, err error) {
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
	if c.Words != "" {
		if err := c.read(*r); err != nil {
			return out, err
		}
	}
	text, err := c.decide(t)
	if err != nil {
		return out, err
	}
	_, err = tx.Append(t.ID, t.Gen, event.AnswerRequested{Request: r.Request, Decision: c.Decision, Text: text})
	return Outcome{Task: t.ID, effect: takenUp("answer", t)}, err
}

// read takes a person's words as what is asked wants them.
func (c *Answer) read(r event.RequestOpened) error {
	if r.Reason != event.WaitQuestion {
		switch strings.ToLower(strings.TrimSpace(c.Words)) {
		case "allow", "yes":
			c.Decision = event.Allow
		case "deny", "no":
			c.Decision = event.Deny
			return nil
		default:
			return fault.New(fault.Usage, "%s asks for a permission, and %q is not an answer to that", c.Task, text.Line(c.Words, 40)).
				WithHint("Answer allow or deny; a reason goes with deny.")
		}
	}
	if c.Text != "" {
		return fault.New(fault.Usage, "a reason goes with deny only").WithHint("Leave it out.")
	}
	if r.Reason != event.WaitQuestion {
		return nil
	}
	c.Decision, c.Text = event.Reply, c.Words
	n, err := strconv.Atoi(strings.TrimSpace(c.Words))
	if err != nil || len(r.Options) == 0 {
		return nil //nolint:nilerr // it is not a number, but a text
	}
	if n < 1 || n > len(r.Options) {
		return fault.New(fault.Usage, "the question of %s has no option %d", c.Task, n).
			WithHint("It has 1 to %d; `muster show %s` lists them.", len(r.Options), c.Task)
	}
	c.Text = r.Options[n-1]
	return nil
}

// decide checks that the decision fits what is asked, and returns its text.
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
		return "", fault.New(fault.Conflict, "%s asks for a permission, which a text does not answer", t.ID).
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
