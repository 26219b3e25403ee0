package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/regular"
)

// ErrNoChannel is the error of Post for an agent that takes no messages while it runs.
var ErrNoChannel = errors.New("this kind of agent takes no messages while it runs")

// Keyboard is the part of Channel for agents that accept any pasted text, and whose records alone show their state.
type Keyboard struct{}

// Typed returns the text with its tag before it.
func (Keyboard) Typed(m mail.Message) []string { return []string{m.ID.Tag() + " " + Words(m)} }

// Posture returns PostureUnknown.
func (Keyboard) Posture(Launch, int, string, []string) Posture { return PostureUnknown }

// Mailbox is the part of Channel for agents whose hooks read the generation's mailbox.
type Mailbox struct{ Keyboard }

// Post puts the message into the mailbox and rings its bell.
func (Mailbox) Post(l Launch, m mail.Message) error {
	box := l.Box()
	if taken, err := box.IsTaken(m.ID); err != nil || taken {
		return err // a taken message was handed over already
	}
	if box.Forged(m) {
		if err := box.Done(m.ID); err != nil {
			return err
		}
	}
	if err := box.Put(m); err != nil {
		return err
	}
	return box.Ring()
}

// Answer puts the answer into the mailbox, where the asking hook waits for it.
func (Mailbox) Answer(l Launch, a mail.Answer) error { return l.Box().Answer(a) }

// Pasted is the part of Channel for agents to which nothing but the keyboard brings a message while they run.
type Pasted struct{ Keyboard }

// Post returns ErrNoChannel.
func (Pasted) Post(Launch, mail.Message) error { return ErrNoChannel }

// Answer puts the answer into the mailbox, where the asking hook or `muster ask` in the agent's shell waits for it.
func (Pasted) Answer(l Launch, a mail.Answer) error { return l.Box().Answer(a) }

// NoChannel is the Channel of agents that take no messages while they run and keep no record of what they got.
type NoChannel struct{ Pasted }

// Delivered returns DeliveryUnknown.
func (NoChannel) Delivered(Launch, event.MessageID) (Delivery, error) { return DeliveryUnknown, nil }

// DeliveredIn looks for a message in an agent's own record of a conversation, a file of lines; "" is no file. prompt returns the
// text that a line makes part of the conversation as the user's; "" if it does not.
func DeliveredIn(record string, m event.MessageID, prompt func(line []byte) string) (Delivery, error) {
	if record == "" {
		return DeliveryAbsent, nil
	}
	found := false
	err := regular.EachLine(record, func(line []byte) bool {
		found = bytes.Contains(line, []byte(m.Tag())) && HasTag(prompt(line), m)
		return !found
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return DeliveryAbsent, nil
	case err != nil:
		return DeliveryUnknown, fmt.Errorf("look for message %s: %w", m, err)
	case found:
		return DeliveryAcknowledged, nil
	}
	return DeliveryAbsent, nil
}
