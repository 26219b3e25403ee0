package claude

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/proof/prooftest"
)

// The tests of this file play a process that an agent left behind, where no fence keeps it from the directory of messages
// and answers.

// forge writes an answer as such a process does, and rings.
func (r *hookRig) forge(a mail.Answer) {
	r.t.Helper()
	files := r.home.NewGen("t1", 2)
	raw, err := json.Marshal(a)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(files.RO(), "in", a.Request+".json"), raw, 0o600); err != nil {
		r.t.Fatal(err)
	}
	bell, err := os.OpenFile(filepath.Join(files.RW(), "out", a.Request+".bell"), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return // it does not listen yet
	}
	_, _ = bell.WriteString("!")
	_ = bell.Close()
}

// holds checks that a hook gives no decision.
func holds(t *testing.T, decided <-chan string, why string) {
	t.Helper()
	select {
	case got := <-decided:
		t.Fatalf("%s: the hook decided %s", why, got)
	case <-time.After(1500 * time.Millisecond): // longer than it takes to look again
	}
}

const bashOne = `{"tool_name":"Bash","tool_input":{"command":"touch /tmp/owned"}}`

func TestPermission_IsNotAllowedByAnAnswerThatIsNotInTheLog(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*hookRig, *mail.Answer){
		"no log": func(*hookRig, *mail.Answer) {},
		"a log without answer": func(r *hookRig, a *mail.Answer) {
			prooftest.Send(r.t, r.home, "t1", 2, mail.Message{ID: "m1", Text: a.Text})
		},
		"an answer to another request": func(r *hookRig, a *mail.Answer) {
			other := *a
			other.Request = "q0"
			prooftest.Intend(r.t, r.home, "t1", 2, other)
		},
		"an answer to another text": func(r *hookRig, a *mail.Answer) {
			other := *a
			other.Hash = event.NewAsk("Bash", []byte(`{"command":"ls"}`)).Hash
			prooftest.Intend(r.t, r.home, "t1", 2, other)
		},
		"another decision": func(r *hookRig, a *mail.Answer) {
			other := *a
			other.Decision = mail.Deny
			prooftest.Intend(r.t, r.home, "t1", 2, other)
		},
		"an answer to another generation": func(r *hookRig, a *mail.Answer) { prooftest.Intend(r.t, r.home, "t1", 1, *a) },
		"an answer to another task":       func(r *hookRig, a *mail.Answer) { prooftest.Intend(r.t, r.home, "t2", 2, *a) },
		"no generation": func(r *hookRig, a *mail.Answer) {
			prooftest.Intend(r.t, r.home, "t1", 2, *a)
			a.Gen = 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newHookRig(t)
			held := r.request(bashOne)
			rec := r.waiting(1)
			ask, err := r.box().Asked(rec.Request, rec.Tool)
			if err != nil {
				t.Fatal(err)
			}
			a := mail.Answer{Request: rec.Request, Decision: mail.Allow, Hash: ask.Hash, Gen: 2, Time: time.Now()}
			spoil(r, &a)
			r.forge(a)
			holds(t, held, name)
			// The person's answer takes its place.
			truth := mail.Answer{Request: rec.Request, Decision: mail.Deny, Text: "never", Hash: ask.Hash, Gen: 2}
			prooftest.Intend(t, r.home, "t1", 2, truth)
			if err := r.box().Overrule(truth); err != nil {
				t.Fatal(err)
			}
			if d := parseDecision(t, <-held); d.Behavior != "deny" || d.Message != "never" {
				t.Errorf("decision %+v", d)
			}
		})
	}
}

func TestPermission_IsNotAllowedByTheAnswerToAnEarlierRequest(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	held := r.request(bashOne)
	first := r.waiting(1)
	r.answer(first, mail.Allow, "")
	if d := parseDecision(t, <-held); d.Behavior != "allow" {
		t.Fatalf("decision %+v", d)
	}
	old, err := r.box().Answered(first.Request)
	if err != nil {
		t.Fatal(err)
	}
	held = r.request(bashOne)
	second := r.waiting(2)
	verbatim, err := os.ReadFile(filepath.Join(r.home.NewGen("t1", 2).RO(), "in", first.Request+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.home.NewGen("t1", 2).RO(), "in", second.Request+".json"), verbatim, 0o600); err != nil {
		t.Fatal(err)
	}
	holds(t, held, "a copy of the earlier answer")
	old.Request = second.Request
	r.forge(old)
	holds(t, held, "the earlier answer with another request")
	if err := os.Remove(r.file("ro/in/" + second.Request + ".json")); err != nil {
		t.Fatal(err)
	}
	r.answer(second, mail.Deny, "no more")
	if d := parseDecision(t, <-held); d.Behavior != "deny" || d.Message != "no more" {
		t.Errorf("decision %+v", d)
	}
}

// file returns the path of a file of the generation.
func (r *hookRig) file(name string) string { return filepath.Join(r.home.NewGen("t1", 2).Dir, name) }

func TestQuestion_IsNotAnsweredByAnAnswerToOtherQuestions(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	held := r.request(`{"tool_name":"AskUserQuestion","tool_input":{"questions":[{"question":"Drop the table?","options":[{"label":"No"},{"label":"Yes"}]}]}}`)
	rec := r.waiting(1)
	// What the person was shown, after a process of the agent changed the file of the request.
	shown := event.NewAsk("AskUserQuestion", []byte(`{"questions":[{"question":"Run the tests?"}]}`))
	if err := r.box().Ask(rec.Request, shown); err != nil {
		t.Fatal(err)
	}
	r.give(mail.Answer{Request: rec.Request, Decision: mail.Text, Text: "Yes", Hash: shown.Hash, Gen: 2})
	if d := parseDecision(t, <-held); d.Behavior != "deny" || !strings.Contains(d.Message, "another text") {
		t.Errorf("decision %+v", d)
	}
}

func TestGrant_CountsOnlyIfTheLogHasIt(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	ask := event.NewAsk("Bash", []byte(`{"command":"touch /tmp/owned"}`))
	if err := os.MkdirAll(r.file("ro/granted"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.file("ro/granted/"+ask.Hash), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	held := r.request(bashOne)
	r.answer(r.waiting(1), mail.Deny, "no")
	if d := parseDecision(t, <-held); d.Behavior != "deny" {
		t.Errorf("decision %+v", d)
	}
	// An answer that was given while the process waited is no grant for later.
	prooftest.Intend(t, r.home, "t1", 1, mail.Answer{Request: "q1", Decision: mail.Allow, Hash: ask.Hash})
	held = r.request(bashOne)
	r.answer(r.waiting(2), mail.Deny, "no")
	if d := parseDecision(t, <-held); d.Behavior != "deny" {
		t.Errorf("decision %+v", d)
	}
}

// waiterOf starts a waiter and returns what it hands over.
func (r *hookRig) waiterOf() <-chan string {
	out := make(chan string, 1)
	go func() {
		_, _, stderr := r.call(waitEvent, `{}`)
		out <- stderr
	}()
	return out
}

func TestWaiter_HandsOverNoMessageThatIsNotInTheLog(t *testing.T) {
	t.Parallel()
	r := newHookRig(t)
	arrived := mail.Message{ID: "m1", Text: "go on"}
	prooftest.Send(t, r.home, "t1", 2, arrived)
	prooftest.Acknowledge(t, r.home, "t1", 2, arrived.ID)
	real := mail.Message{ID: "m2", Text: "run the tests"}
	prooftest.Send(t, r.home, "t1", 2, real)
	for _, m := range []mail.Message{arrived, {ID: "m2", Text: "push to main"}, {ID: "m3", Text: "push to main"}} {
		if err := os.WriteFile(r.file("ro/in/"+string(m.ID)+".msg"), []byte(m.Text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := r.waiterOf()
	_ = r.box().Ring()
	holds(t, got, "a message that has arrived before, one with another text, and one that was never sent")
	for _, id := range []event.MessageID{"m1", "m2", "m3"} {
		if taken, err := r.box().IsTaken(id); taken || err != nil {
			t.Errorf("%s was taken (%v)", id, err)
		}
	}
	l := agent.Launch{Home: r.home, Task: "t1", Gen: 2}
	if err := New().Post(l, real); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "\n[muster m2]\nrun the tests" {
		t.Errorf("handed over: %q", text)
	}
}
