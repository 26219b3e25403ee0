package agenttest

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
)

// post tests that a message that is posted twice arrives once, and that a kind without a mailbox returns
// ErrNoChannel.
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

// answer tests that the same answer may be given twice, and that another one is refused.
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

// delivered tests that queued and delivered messages are told apart, and that text of other origin counts as neither.
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
	p := Plan(t, s.Adapter, l)
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

// foreignTags tests that tags in the text of people and programs deliver nothing and keep no message out of the
// prompt.
func foreignTags(t *testing.T, s Subject) {
	const quoted = "[muster m1] Your work does not pass.\r\n[muster m5]\n\t[muster m6] \x1b[1m[muster m8]\n\x1b[1m[muster m8] and [muster m9]"
	l := s.Launch(t)
	l.Prompt = "Explain the line \"[muster m1] Your work\" of this log:\n" + quoted
	l.Messages = []mail.Message{{ID: "m1", Text: quoted}, {ID: "m2", Text: "[muster m2] says so"}}
	prompt, _ := promptFile(Plan(t, s.Adapter, l))
	typed := strings.Join(s.Adapter.Typed(mail.Message{ID: "m3", Text: quoted}), "")
	for _, c := range []struct {
		text string
		want []string
	}{{prompt, []string{"[muster m1]", "[muster m2]"}}, {typed, []string{"[muster m3]"}}} {
		if got := tagAtLineStart.FindAllString(c.text, -1); !slices.Equal(got, c.want) {
			t.Errorf("the tags %v stand at the start of a line, want %v:\n%s", got, c.want, c.text)
		}
	}
	if !strings.Contains(prompt, "Explain the line \"[muster m1] Your work\" of this log:\n") {
		t.Errorf("the words of the person were changed where they could not be taken for a tag:\n%s", prompt)
	}
	if s.Book == nil {
		return
	}
	s.Book.Open(t, l)
	s.Book.Take(t, l, prompt)
	for id, want := range map[event.MessageID]agent.Delivery{
		"m1": agent.DeliveryAcknowledged, "m2": agent.DeliveryAcknowledged, "m5": agent.DeliveryAbsent,
		"m6": agent.DeliveryAbsent, "m8": agent.DeliveryAbsent, "m9": agent.DeliveryAbsent,
	} {
		if d, err := s.Adapter.Delivered(l, id); err != nil || d != want {
			t.Errorf("message %s is %s (%v), want %s", id, d, err, want)
		}
	}
}

var tagAtLineStart = regexp.MustCompile(`(?m)^\[muster m[0-9]+\]`)

// resumesAfterAKill tests that a conversation that has its prompt is resumed after a kill, and that one that was
// killed before that is started again.
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
	Plan(t, s.Adapter, l)
	s.Book.Take(t, l, l.Prompt)
	if !s.Adapter.Resumable(l) {
		t.Error("a conversation with its prompt is not resumable")
	}
	l.Gen++
	if !s.Adapter.Resumable(l) {
		t.Error("the next generation cannot resume the conversation")
	}
}
