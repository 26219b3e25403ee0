package life

import (
	"slices"
	"time"

	"muster/internal/event"
)

const (
	// ackWait is how long a message may be under way before muster looks where it is. A message to a busy agent
	// arrives only when its tool has ended, so looking is all that follows.
	ackWait = time.Minute
	// redeliverPause is how long a message waits that found the door shut (copy mode, an open dialog, a draft).
	redeliverPause = 5 * time.Second
)

func (s *step) nextMessage() event.MessageID { return event.NewMessageID(s.t.LastMessage + 1) }

// firstOpen is the oldest message that still has to arrive.
func (s *step) firstOpen() (Message, bool) {
	for _, m := range s.t.Messages {
		if m.open() {
			return m, true
		}
	}
	return Message{}, false
}

// drain sends the oldest waiting message if the agent's door is open. One message at a time is under way, so
// that concurrent senders are serialised.
func (s *step) drain() {
	m, ok := s.firstOpen()
	if !ok || len(s.t.Open) > 0 {
		return
	}
	if !s.t.Agent.Live && s.t.State == event.Working {
		s.relaunch(m.Why, "") // its first prompt carries all that has not arrived
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

// needsRestart reports whether a message can reach the running agent only by ending it: it takes messages at its start
// alone, has ended its turn, and goes on running.
func (s *step) needsRestart(m Message) bool {
	return s.t.Door(m) == event.DoorRespawn && s.t.State == event.Working && s.t.Agent.Live && s.t.Agent.Turn.Over() && s.t.Request == nil
}

// newestFeedback is the id of the last feedback; "" if there was none.
func newestFeedback(all []Message) event.MessageID {
	for _, m := range slices.Backward(all) {
		if m.Why == event.WhyFeedback {
			return m.ID
		}
	}
	return ""
}

// Door returns the way by which a message gets into the task's agent.
func (t Task) Door(m Message) event.Door {
	if m.Why == event.WhyNudge && t.Spec.Traits.Aside {
		return event.DoorMailbox
	}
	return t.Spec.Traits.Door
}

// doorOpen reports whether a message can get into the running agent now. Work in the background is no turn: the agent
// takes what is typed.
func (s *step) doorOpen(m Message) bool {
	switch s.t.Door(m) {
	case event.DoorMailbox:
		return s.t.Agent.Seen
	case event.DoorPaste:
		return (s.t.Agent.Turn.Over() || s.t.Agent.Turn == TurnBackground) && s.t.Request == nil
	case event.DoorRespawn:
	}
	return false
}

// delivered takes the outcome of sending a message: sent is not arrived. What became of it in an older generation no
// longer counts: it goes with the newest one's first prompt.
func (s *step) delivered(a event.Action, f *Failure) {
	id := a.Message()
	m, ok := s.t.Message(id)
	if !ok || m.State != event.MessageSending || m.Gen != a.Gen {
		return
	}
	switch {
	case f == nil:
		s.watchMessage(ackWait)
	case f.Kind == FailAgain:
		s.emit(event.MessageMoved{Message: id, To: event.MessageWaiting, Evidence: f.Text})
		s.watchMessage(redeliverPause)
	case f.Kind == FailRefused:
		s.emit(event.MessageMoved{Message: id, To: event.MessageFailed, Evidence: f.Text})
	default:
		s.emit(event.MessageMoved{Message: id, To: event.MessageUnknown, Evidence: f.Text})
	}
}

// ackDue looks where a message is, or tries the door again.
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

// looked takes the outcome of a look: the facts moved the message if they proved something; else it is still
// under way.
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

// watchMessage looks at the message under way again after a while. Where the agent's generation is over for the task
// nobody waits: what has not arrived goes with the next first prompt.
func (s *step) watchMessage(pause time.Duration) {
	if s.in(running...) {
		s.setDeadline(event.DeadlineAck, s.now.Add(pause), false)
	}
}

// ack notes that a message arrived.
func (s *step) ack(id event.MessageID, evidence string) {
	m, ok := s.t.Message(id)
	if !ok || m.State == event.MessageAcked || m.State == event.MessageFailed {
		return
	}
	if m.Gen == 0 { // never sent: somebody's words name its tag
		return
	}
	s.emit(event.MessageMoved{Message: id, To: event.MessageAcked, Evidence: evidence})
	if m.open() { // else another one may be under way
		s.clear(event.DeadlineAck)
	}
}

// ackCarried notes that the first prompt of a generation arrived, with all messages that it carried.
func (s *step) ackCarried(evidence string) {
	for _, id := range s.t.Agent.Carries {
		if m, ok := s.t.Message(id); ok && m.State == event.MessageSending && m.Gen == s.t.Gen {
			s.ack(id, evidence)
		}
	}
}

// Sighting is what a look for a message found.
type Sighting struct {
	Acknowledged bool // the agent's own records hold it in the conversation
	Enqueued     bool // they hold it in the agent's queue
	Absent       bool // they were read, and do not know it
	InMailbox    bool
	Newest       bool // the look was at the newest generation
}

// Whereabouts is where a message is.
type Whereabouts string

// The whereabouts.
const (
	Arrived   Whereabouts = "arrived"    // the agent has it
	InAgent   Whereabouts = "in_agent"   // it waits in the agent's own queue
	InMailbox Whereabouts = "in_mailbox" // it waits for the agent to fetch it
	Dropped   Whereabouts = "dropped"    // it was handed out, and what took it died before the agent had it: it is posted again
	Nowhere   Whereabouts = "nowhere"    // the look proved nothing
)

// Whereabouts judges a look. What an older generation had in its queue is gone with it.
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
