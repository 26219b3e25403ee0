package inside

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"muster/internal/config"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/mail"
)

// Question is a question to a person.
type Question struct {
	Text    string
	Options []string // answers to choose from
	// Limit is how long the agent waits for the answer before it continues without one. With 0 it waits as long as
	// its task may wait, and then the task is parked.
	Limit time.Duration
}

// defaultWait is the wait limit if the agent's environment has none.
const defaultWait = 15 * time.Minute

// Ask asks a person and waits for the answer. It returns a fault.Timeout if none comes in time.
func (v Voice) Ask(ctx context.Context, q Question) (mail.Answer, error) {
	limit := q.Limit
	if limit == 0 {
		limit = cmp.Or(v.waitLimit, defaultWait)
	}
	box := v.box()
	r := event.Record{State: event.RecordWaiting, Reason: event.WaitQuestion, Note: q.Text, Options: q.Options, Request: mail.NewRequest()}
	asked := whole(q)
	if err := box.Ask(r.Request, asked); err != nil {
		return mail.Answer{}, err
	}
	if err := v.Report(r); err != nil {
		return mail.Answer{}, err
	}
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a, err := box.Await(waiting, r.Request)
	switch {
	case err == nil && a.Decision == mail.Text && a.Hash != asked.Hash:
		return a, fault.New(fault.Conflict, "the answer was given to another question").WithHint("Ask again.")
	case err == nil:
		return a, nil
	case ctx.Err() != nil:
		return a, ctx.Err()
	case !errors.Is(err, mail.ErrNoAnswer):
		return a, err
	}
	if q.Limit != 0 { // the agent continues, so the question is closed
		if _, err := v.Note("goes on without an answer"); err != nil {
			return a, err
		}
	}
	return a, fault.New(fault.Timeout, "there was no answer within %s", config.FormatDuration(limit)).
		WithHint("Continue without an answer if you can, otherwise end your turn.")
}

// whole returns the question as it is stored for a request.
func whole(q Question) event.Ask {
	asked := event.Question{Text: q.Text}
	for _, o := range q.Options {
		asked.Options = append(asked.Options, event.Option{Label: o})
	}
	input, _ := json.Marshal(asked) // strings can be encoded
	return event.NewAsk("", input).WithQuestions([]event.Question{asked})
}
