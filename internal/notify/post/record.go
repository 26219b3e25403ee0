package post

import (
	"context"
	"errors"
	"time"

	"muster/internal/event"
	"muster/internal/store"
)

// pauses are those after the first, the second, … failure of a channel. The last one is repeated: as long as something stands
// that a channel was not told, it is told when the receiver is there again.
func pauses() []time.Duration {
	return []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute}
}

// mostAfter bounds the pause that a receiver may ask for.
const mostAfter = time.Hour

// record appends the outcomes in one transaction. The next turn reads them in the log, like everything else.
func (s *Service) record(ctx context.Context, tries []attempt) error {
	return s.Store.Request(ctx, func(tx *store.Tx) error {
		for _, a := range tries {
			for _, o := range s.outcome(a) {
				if _, err := tx.AppendTo(o.of, 0, o.payload); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// outcome is an event about a subject.
type outcome struct {
	of      event.Subject
	payload event.Payload
}

// outcome returns the events of an attempt.
func (s *Service) outcome(a attempt) (out []outcome) {
	if a.err == nil {
		for _, n := range a.Notices {
			out = append(out, outcome{event.OfTask(n.Task), event.NoticeSent{Channel: a.Channel, What: n.What, Of: n.Of, Message: a.ID}})
		}
		return out
	}
	n := s.state.Tries(a.Channel) + 1
	all := pauses()
	pause := all[min(n, len(all))-1]
	if r, ok := errors.AsType[*Refused](a.err); ok && r.After > pause {
		pause = min(r.After, mostAfter)
	}
	if n == 1 {
		s.Log.Warn("a notice was not taken", "channel", a.Channel, "err", a.err)
	}
	missed := event.NoticeMissed{Channel: a.Channel, Message: a.ID, Why: a.err.Error(), Tries: n, Next: s.Now().Add(pause)}
	return []outcome{{event.Subject{}, missed}}
}
