package generic_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/internal/agent"
	"muster/internal/agent/generic"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/proof/prooftest"
	"muster/internal/testkit/copilot"
	"muster/internal/testkit/model"
	testrig "muster/internal/testkit/rig"
)

// TestMain lets this test binary act as the program that hooks and panes run, and as the agent of the page.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "crane" {
		os.Exit(crane(os.Args[2:]))
	}
	os.Exit(testrig.Main(m, generic.New(nil)))
}

// TestCopilotWorksAndIsTakenUpAgain runs the real program through the situations of a night.
func TestCopilotWorksAndIsTakenUpAgain(t *testing.T) {
	testrig.Long(t)
	t.Parallel()
	shell := func(command string) model.Step {
		return model.ToolUse("bash", map[string]any{"command": command, "description": "run it"})
	}
	spec := event.Spec{Checks: []event.Check{
		{Name: "build", Run: "! grep -q broken b.txt || { echo 'b.txt:1:1: broken'; exit 3; }", OnEdit: true, Timeout: time.Minute},
	}}
	r := testrig.New(t, generic.Preset("copilot"), "say hello", spec, func(modelURL, repo string) []string {
		return copilot.NewUser(t, modelURL, repo).Env(t)
	})
	r.Patience = 3 * time.Minute // the program starts slowly on a busy machine
	edit := model.ToolUse("create", map[string]any{"path": filepath.Join(r.Launch.Worktree, "b.txt"), "file_text": "broken\n"})
	r.Model.Add(
		shell("echo one > one.txt"), shell("echo two > two.txt"), edit,
		model.Always(model.Say("all done").Costing(model.Usage{Input: 100, Output: 7, CacheRead: 3})),
	)
	idles := func(n int) {
		t.Helper()
		r.Until("the turn is over", func() bool {
			return testrig.Count(r.Records(), func(rec event.Record) bool { return rec.State == idle }) >= n
		})
	}
	answer := func(what, decision, text string) {
		t.Helper()
		ask := r.Record(what+" is asked", func(rec event.Record) bool { return rec.State == waiting && strings.Contains(rec.Note, what) })
		shown, err := r.Box().Asked(ask.Request, ask.Tool)
		if err != nil || !strings.Contains(shown.Input, what) {
			t.Fatalf("what is asked: %+v, %v", shown, err)
		}
		a := mail.Answer{Request: ask.Request, Decision: decision, Text: text, Hash: shown.Hash, Gen: 1}
		prooftest.Intend(t, r.Launch.Home, "t1", 1, a)
		if err := r.Adapter.Answer(r.Launch, a); err != nil {
			t.Fatal(err)
		}
	}
	r.Start()
	if first := r.Called(1); !first.Contains("Task t1 (muster):") || !first.Contains("say hello") || !first.Contains("muster check") {
		t.Errorf("the first prompt is %+v", first.Messages)
	}
	answer("one.txt", mail.Allow, "")
	answer("two.txt", mail.Deny, "not this file")
	if third := r.Called(3); !third.Contains("not this file") {
		t.Errorf("the model was not told why: %+v", third.Last())
	}
	answer("b.txt", mail.Allow, "")
	if fourth := r.Called(4); !fourth.Contains("b.txt:1:1: broken") {
		t.Errorf("the check's words are not with the edit: %+v", fourth.Last())
	}
	idles(1)
	for file, want := range map[string]bool{"one.txt": true, "two.txt": false, "b.txt": true} {
		if _, err := os.Stat(filepath.Join(r.Launch.Worktree, file)); (err == nil) != want {
			t.Errorf("%s exists: %v, want %v", file, err == nil, want)
		}
	}
	for _, rec := range r.Records() {
		if rec.SessionID != r.Launch.Conversation {
			t.Errorf("a record is of another conversation: %+v", rec)
		}
	}
	r.Until("the usage is told", func() bool {
		recs := r.Source("transcript")
		return testrig.Count(recs, func(rec event.Record) bool {
			return rec.Usage != nil && rec.Usage.Turns == 4 && rec.Usage.InputTokens == 130 && rec.Usage.OutputTokens == 22 && rec.Usage.CacheReadTokens == 3
		}) > 0
	})

	say := func(id event.MessageID, text string) {
		t.Helper()
		r.Paste(r.Adapter.Typed(mail.Message{ID: id, Text: text})...)
		time.Sleep(time.Second) // as the fleet does: this screen does not tell what stands in the input
		r.Tmux("send-keys", "-t", r.Pane(), "Enter")
		r.Record(string(id)+" is acknowledged", func(rec event.Record) bool { return rec.Message == id && rec.Prompted })
	}
	lines := strings.Repeat("- and more\n", 30) + "end your turn."
	say("m1", lines)
	if told := r.Called(5).Last(); !told.Contains("[muster m1] - and more") || !told.Contains("end your turn.") {
		t.Errorf("m1 arrived as %+v", told)
	}
	idles(2)
	r.Model.Add(model.Error(400))
	say("m2", "go on")
	r.Until("the error is told", func() bool {
		return testrig.Count(r.Source("transcript"), func(rec event.Record) bool { return rec.State == failed && rec.Error == event.ErrorInvalidRequest }) == 1
	})
	if d, err := r.Adapter.Delivered(r.Launch, "m2"); err != nil || d != agent.DeliveryAcknowledged {
		t.Errorf("m2 is %s (%v)", d, err)
	}

	before := len(r.Model.Requests())
	r.Model.Add(model.Hang())
	say("m3", "work")
	r.Called(before + 1)
	r.Kill()
	for _, pid := range r.Marked() { // the fleet ends all that the agent started before it starts the next one
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill()
		}
	}
	r.Until("all of it is gone", func() bool { return len(r.Marked()) == 0 })
	next := r.Launch
	next.Gen, next.Resume, next.GoOn = 2, true, "go on where you stopped"
	next.Messages = []mail.Message{{ID: "m4", Text: "after the kill"}}
	if !r.Adapter.Resumable(next) {
		t.Fatal("the conversation is not resumable")
	}
	r.Launch = next
	r.Start()
	again := r.Called(before + 2)
	if !again.Contains("say hello") || !again.Contains("go on where you stopped") || !again.Contains("[muster m4]\nafter the kill") {
		t.Errorf("the conversation was not taken up: %+v", again.Messages)
	}
	r.Record("the message arrives", func(rec event.Record) bool {
		return rec.Message == "m4" && rec.Prompted && rec.Gen == 2 && rec.SessionID == r.Launch.Conversation
	})
	idles(1)
}
