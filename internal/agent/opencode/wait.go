package opencode

import (
	"context"
	"errors"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
)

const (
	// maxHandover is the maximum size in bytes of the messages of one answer. The others follow with the next.
	maxHandover = 1 << 20
	// lookAgain is how often the waiter asks the log again about messages that the log did not have: the log may have been
	// busy.
	lookAgain = 30 * time.Second
)

// wait blocks until there are messages, hands them to the plugin, and ends. It does not outlive its agent.
//
// A message leaves the inbox just before it is handed over. If the agent is killed in between, the message never shows in the
// conversation; the supervisor finds that it is absent and returns it to the inbox.
func (s *hookState) wait(ctx context.Context) {
	box := s.box()
	release, err := box.Waiter(true)
	if err != nil {
		return
	}
	defer release()
	for {
		messages, forged := s.collect(box)
		if len(messages) > 0 {
			s.reply(map[string]any{"messages": messages})
			return
		}
		if err := s.listen(ctx, box, forged); err != nil {
			return
		}
	}
}

// listen waits for a message. Forged ones wait, too, and are left alone.
func (s *hookState) listen(ctx context.Context, box mail.Box, forged []event.MessageID) error {
	if len(forged) == 0 {
		return box.ListenWhile(ctx, s.PPID)
	}
	select {
	case <-time.After(time.Second): // a process that forges messages may ring all the time
	case <-ctx.Done():
		return ctx.Err()
	}
	slice, cancel := context.WithTimeout(ctx, lookAgain)
	defer cancel()
	err := box.ListenWhile(slice, s.PPID, forged...)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil
	}
	return err
}

// collect takes the waiting messages, oldest first, and returns their texts. It leaves out those that the log does not have
// and returns their ids.
func (s *hookState) collect(box mail.Box) (texts []string, forged []event.MessageID) {
	waiting, forged, err := box.Unread()
	if err != nil {
		return nil, nil
	}
	size := 0
	for _, m := range waiting {
		said := agent.Tagged(m)
		if size += len(said); size > maxHandover && len(texts) > 0 {
			break
		}
		if box.Take(m.ID) != nil {
			continue // another waiter was faster
		}
		texts = append(texts, said)
	}
	return texts, forged
}
