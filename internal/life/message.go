package life

import (
	"fmt"
	"slices"
	"time"

	"muster/internal/event"
)

const (
	// ackWait is how long a message may be in transit before its delivery is confirmed. A busy agent receives a
	// message only when its tool has ended, so confirming is the only reaction.
	ackWait = time.Minute
	// redeliverPause is how long a message waits if it cannot be typed (copy mode, an open dialog, a draft).
	redeliverPause = 5 * time.Second
)

func (s *step) nextMessage() event.MessageID { return event.NewMessageID(s.t.LastMessage + 1) }

// firstOpen returns the oldest message that has not arrived.
func (s *step) firstOpen() (Message, bool) {
	for _, m := range s.t.Messages {
		if m.open() {
			return m, true
		}
	}
	return Message{}, false
}

// drain sends the oldest waiting message if the agent can take it. Only one message is in transit at a time, so that
// concurrent senders are serialised.
func (s *step) drain() {
	m, ok := s.firstOpen()
	if !ok || len(s.t.Open) > 0 || s.holdsBack(m) {
		return
	}
	if !s.t.Agent.Live && s.t.State == event.Working {
		s.relaunch(m.Why, "") // its first prompt has all messages that have not arrived
		return
	}
	if _, pause := s.t.Deadline(event.DeadlineAck); pause || !s.t.Agent.Live {
		return
	}
	if m.State == event.MessageSending { // it went with the first prompt, or behind one that has just arrived
		s.setDeadline(event.DeadlineAck, s.now.Add(ackWait), false)
		return
	}
	if s.needsRestart(m) { // it may be about to exit, which is how most of its kind end a turn
		s.setDeadline(event.DeadlineAck, s.now.Add(settlePause), false)
		return
	}
	if !s.doorOpen(m) {
		return
	}
	s.emit(event.MessageMoved{Message: m.ID, To: event.MessageSending})
	s.act(event.DeliverArgs{Message: m.ID})
}

// needsRestart reports whether a message can reach the running agent only by ending it: the agent takes messages only
// at its start, has ended its turn, and keeps running.
func (s *step) needsRestart(m Message) bool {
	return s.t.Door(m) == event.DoorRespawn && s.t.State == event.Working && s.t.Agent.Live && s.t.Agent.Turn.Over() && s.t.Request == nil
}

// newestFeedback returns the id of the last feedback; "" if there is none.
func newestFeedback(all []Message) event.MessageID {
	for _, m := range slices.Backward(all) {
		if m.Why == event.WhyFeedback {
			return m.ID
		}
	}
	return ""
}

// Door returns the delivery channel of a message to the task's agent.
func (t Task) Door(m Message) event.Door {
	if t.Spec.Traits.Aside && (m.Why == event.WhyNudge || m.Why == event.WhyBudget) {
		return event.DoorMailbox
	}
	return t.Spec.Traits.Door
}

// doorOpen reports whether the running agent can take a message now. Background work is not a turn: the agent accepts
// input.
func (s *step) doorOpen(m Message) bool {
	switch s.t.Door(m) {
	case event.DoorMailbox: // what is put into a turn that is being broken off may be lost with it
		return s.t.Agent.Seen && s.t.Agent.Turn != TurnInterrupting
	case event.DoorPaste:
		return (s.t.Agent.Turn.Over() || s.t.Agent.Turn == TurnBackground) && s.t.Request == nil
	case event.DoorRespawn:
	}
	return false
}

// delivered handles the outcome of sending a message. A sent message has not arrived yet. An outcome for an older
// generation does not count, because the message goes with the newest generation's first prompt.
func (s *step) delivered(a event.Action, f *Failure) {
	id := a.Message()
	m, ok := s.t.Message(id)
	if !ok || m.State != event.MessageSending || m.Gen != a.Gen {
		return
	}
	switch {
	case f == nil:
		s.clear(event.DeadlineShut)
		s.watchMessage(ackWait)
	case f.Kind == FailShut:
		s.emit(event.MessageMoved{Message: id, To: event.MessageWaiting, Evidence: f.Text})
		s.watchMessage(s.shut())
	case f.Kind == FailAgain:
		s.emit(event.MessageMoved{Message: id, To: event.MessageWaiting, Evidence: f.Text})
		s.watchMessage(redeliverPause)
	case f.Kind == FailRefused:
		s.emit(event.MessageMoved{Message: id, To: event.MessageFailed, Evidence: f.Text})
	default:
		s.emit(event.MessageMoved{Message: id, To: event.MessageUnknown, Evidence: f.Text})
	}
}

const (
	// shutLimit is how long a message waits at an agent's input that is in use. A person who works there is done by
	// then. What the person left there (a draft, copy mode, an open panel) must not block the task longer.
	shutLimit = 15 * time.Minute
	// maxRedeliverPause bounds the pause before the input is tried again.
	maxRedeliverPause = time.Minute
)

// shut records that an input is in use. It returns the pause until the next try, which grows with the time of use.
func (s *step) shut() time.Duration {
	d, set := s.t.Deadline(event.DeadlineShut)
	if !set {
		if s.in(running...) && s.t.Spec.Traits.Resumes {
			s.setDeadline(event.DeadlineShut, s.now.Add(shutLimit), false)
		}
		return redeliverPause
	}
	been := shutLimit - d.At.Sub(s.now)
	return min(max(redeliverPause, been/4), maxRedeliverPause)
}

// shutDue restarts an agent whose input stayed in use. Its conversation is resumed with the message as prompt.
func (s *step) shutDue() {
	m, ok := s.firstOpen()
	switch {
	case !ok || m.State == event.MessageAcked || s.t.State != event.Working || !s.t.Agent.Live || !s.t.Agent.Turn.Over():
		// it was delivered, or the agent works and delivery is tried again after its turn
	case m.State == event.MessageSending || len(s.t.Open) > 0:
		s.setDeadline(event.DeadlineShut, s.now.Add(redeliverPause), false)
	default:
		s.relaunch(m.Why, fmt.Sprintf("%s could not be typed for %s: the agent's input was in use", m.ID, shutLimit))
	}
}

// ackDue confirms the delivery of a message, or tries to send it again.
func (s *step) ackDue() {
	m, ok := s.firstOpen()
	if ok && m.State == event.MessageWaiting && len(s.t.Open) == 0 && s.needsRestart(m) {
		s.relaunch(m.Why, "it ended its turn and goes on running, and it takes messages at its start only")
		return
	}
	if ok && m.State == event.MessageSending && s.t.Agent.Live && !s.open(event.ActConfirm, event.ActDeliver) {
		s.act(event.ConfirmArgs{Message: m.ID})
	}
}

// looked handles the outcome of a confirmation. If the facts proved nothing, the message is still in transit.
func (s *step) looked(a event.Action, f *Failure) {
	id := a.Message()
	m, ok := s.t.Message(id)
	if !ok || m.State != event.MessageSending || m.Gen != a.Gen {
		return
	}
	if f != nil && f.Kind == FailUnknown {
		s.emit(event.MessageMoved{Message: id, To: event.MessageUnknown, Evidence: f.Text})
		return
	}
	s.watchMessage(ackWait)
}

// watchMessage sets the deadline for the next confirmation. It sets none for a task without a generation: a message
// that has not arrived goes with the next first prompt.
func (s *step) watchMessage(pause time.Duration) {
	if s.in(running...) {
		s.setDeadline(event.DeadlineAck, s.now.Add(pause), false)
	}
}

// ack records that a message arrived.
func (s *step) ack(id event.MessageID, evidence string) {
	m, ok := s.t.Message(id)
	if !ok || m.State == event.MessageAcked || m.State == event.MessageFailed {
		return
	}
	if m.Gen == 0 { // it was never sent: another text contains its tag
		return
	}
	s.emit(event.MessageMoved{Message: id, To: event.MessageAcked, Evidence: evidence})
	if m.open() { // otherwise another one may be in transit
		s.clear(event.DeadlineAck)
	}
}

// ackCarried records that the first prompt of a generation arrived, with all of its messages.
func (s *step) ackCarried(evidence string) {
	for _, id := range s.t.Agent.Carries {
		if m, ok := s.t.Message(id); ok && m.State == event.MessageSending && m.Gen == s.t.Gen {
			s.ack(id, evidence)
		}
	}
}

// Sighting is the result of a search for a message.
type Sighting struct {
	Acknowledged bool // the agent's own records have it in the conversation
	Enqueued     bool // they have it in the agent's queue
	Absent       bool // they were read and do not have it
	InMailbox    bool
	Newest       bool // the search was for the newest generation
}

// Whereabouts is the place of a message.
type Whereabouts string

// The values of Whereabouts.
const (
	Arrived   Whereabouts = "arrived"    // the agent has it
	InAgent   Whereabouts = "in_agent"   // it waits in the agent's own queue
	InMailbox Whereabouts = "in_mailbox" // it waits for the agent to fetch it
	Dropped   Whereabouts = "dropped"    // its taker died before the agent got it; it is posted again
	Nowhere   Whereabouts = "nowhere"    // the search proved nothing
)

// Whereabouts judges a Sighting. A message in the queue of an older generation is lost with that generation.
func (s Sighting) Whereabouts() Whereabouts {
	switch {
	case s.Acknowledged:
		return Arrived
	case s.Enqueued && s.Newest:
		return InAgent
	case s.InMailbox:
		return InMailbox
	case s.Absent && s.Newest:
		return Dropped
	}
	return Nowhere
}
