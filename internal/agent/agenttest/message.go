package agenttest

import (
	"errors"
	"testing"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
)

// post: a message that is posted twice is there once; a kind without a mailbox says so.
func post(t *testing.T, s Subject) {
	st := newStage(t, s)
	m := mail.Message{ID: "m7", Text: "hello\n\ttab"}
	for range 2 {
		err := s.Adapter.Post(st.launch, m)
		if s.Adapter.Facts().Traits.Door != event.DoorMailbox {
			if err != nil && !errors.Is(err, agent.ErrNoChannel) {
				t.Errorf("Post: %v, want agent.ErrNoChannel", err)
			}
			return
		}
		if err != nil {
			t.Fatalf("Post: %v", err)
		}
	}
	waiting, err := st.launch.Box().Waiting()
	if err != nil || len(waiting) != 1 || waiting[0] != m {
		t.Fatalf("the mailbox has %+v (%v), want the message once", waiting, err)
	}
	if err := st.launch.Box().Take(m.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Adapter.Post(st.launch, m); err != nil {
		t.Fatal(err)
	}
	if waiting, err := st.launch.Box().Waiting(); err != nil || len(waiting) != 0 {
		t.Errorf("a message that a hook has taken waits again: %+v (%v)", waiting, err)
	}
}

// answer: an answer that is given twice is the same answer; another one is refused.
func answer(t *testing.T, s Subject) {
	st := newStage(t, s)
	a := mail.Answer{Request: "q1", Decision: mail.Deny, Text: "no"}
	for range 2 {
		if err := s.Adapter.Answer(st.launch, a); err != nil {
			t.Fatalf("Answer: %v", err)
		}
	}
	a.Decision, a.Text = mail.Allow, ""
	if err := s.Adapter.Answer(st.launch, a); !errors.Is(err, mail.ErrAnswered) {
		t.Errorf("a second answer: %v, want mail.ErrAnswered", err)
	}
	for _, id := range []string{"", "../x", "a/b"} {
		if err := s.Adapter.Answer(st.launch, mail.Answer{Request: id, Decision: mail.Allow}); err == nil {
			t.Errorf("an answer to %q was given", id)
		}
	}
}

// delivered: what waits is told from what has arrived, and other people's words count as neither.
func delivered(t *testing.T, s Subject) {
	look := func(t *testing.T, l agent.Launch, id event.MessageID) agent.Delivery {
		t.Helper()
		d, err := s.Adapter.Delivered(l, id)
		if err != nil {
			t.Errorf("Delivered(%s): %v", id, err)
		}
		return d
	}
	l := s.Launch(t)
	if s.Book == nil {
		if d := look(t, l, "m1"); d != agent.DeliveryUnknown {
			t.Errorf("an agent that keeps no record says %s, want unknown", d)
		}
		return
	}
	if d := look(t, l, "m1"); d != agent.DeliveryAbsent {
		t.Errorf("without a conversation: %s, want absent", d)
	}
	s.Book.Open(t, l)
	l.Messages = []mail.Message{{ID: "m1", Text: "one"}}
	p := mustPlan(t, s, l)
	prompt, _ := promptFile(p)
	s.Book.Take(t, l, prompt)
	if d := look(t, l, "m1"); d != agent.DeliveryAcknowledged {
		t.Errorf("a message of the first prompt: %s, want acknowledged", d)
	}
	if s.Book.Queue != nil {
		s.Book.Queue(t, l, agent.Tagged(mail.Message{ID: "m2", Text: "two"}))
		if d := look(t, l, "m2"); d != agent.DeliveryEnqueued {
			t.Errorf("a message in the agent's queue: %s, want enqueued", d)
		}
	}
	s.Book.Take(t, l, agent.Tagged(mail.Message{ID: "m2", Text: "two"}))
	if d := look(t, l, "m2"); d != agent.DeliveryAcknowledged {
		t.Errorf("a message that was taken: %s, want acknowledged", d)
	}
	s.Book.Take(t, l, agent.Tagged(mail.Message{ID: "m34", Text: "thirty-four"}))
	if s.Book.Quote != nil {
		s.Book.Quote(t, l, "[muster m4]\nquoted by a tool")
	}
	for _, id := range []event.MessageID{"m3", "m4"} {
		if d := look(t, l, id); d != agent.DeliveryAbsent {
			t.Errorf("message %s was never given: %s, want absent", id, d)
		}
	}
}

// resumesAfterAKill: a conversation that has its prompt is resumed after a kill; one that was killed before it is
// begun again.
func resumesAfterAKill(t *testing.T, s Subject) {
	if s.Book == nil || !s.Adapter.Facts().Traits.Resumes {
		t.Skip("this kind does not resume, or keeps no record")
	}
	l := s.Launch(t)
	if s.Adapter.Resumable(l) {
		t.Error("a conversation that was never begun is resumable")
	}
	s.Book.Open(t, l)
	if s.Adapter.Resumable(l) {
		t.Error("a conversation without a prompt is resumable: the agent would not find it")
	}
	mustPlan(t, s, l)
	s.Book.Take(t, l, l.Prompt)
	if !s.Adapter.Resumable(l) {
		t.Error("a conversation with its prompt is not resumable")
	}
	l.Gen++
	if !s.Adapter.Resumable(l) {
		t.Error("the next generation cannot resume the conversation")
	}
}
