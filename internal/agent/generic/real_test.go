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
	"muster/internal/testkit/qwen"
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
	n := &night{Rig: r}
	n.firstTurn()

	lines := strings.Repeat("- and more\n", 30) + "end your turn."
	n.say("m1", lines)
	if told := r.Called(5).Last(); !told.Contains("[muster m1] - and more") || !told.Contains("end your turn.") {
		t.Errorf("m1 arrived as %+v", told)
	}
	n.ends(2)
	r.Model.Add(model.Error(400))
	n.say("m2", "go on")
	r.Until("the error is told", func() bool {
		return testrig.Count(r.Source("transcript"), func(rec event.Record) bool { return rec.State == failed && rec.Error == event.ErrorInvalidRequest }) == 1
	})
	if d, err := r.Adapter.Delivered(r.Launch, "m2"); err != nil || d != agent.DeliveryAcknowledged {
		t.Errorf("m2 is %s (%v)", d, err)
	}

	before := len(r.Model.Requests())
	r.Model.Add(model.Hang())
	n.say("m3", "work")
	r.Called(before + 1)
	n.killAndResume(mail.Message{ID: "m4", Text: "after the kill"})
	again := r.Called(before + 2)
	if !again.Contains("say hello") || !again.Contains("go on where you stopped") || !again.Contains("[muster m4]\nafter the kill") {
		t.Errorf("the conversation was not taken up: %+v", again.Messages)
	}
	r.Record("the message arrives", func(rec event.Record) bool {
		return rec.Message == "m4" && rec.Prompted && rec.Gen == 2 && rec.SessionID == r.Launch.Conversation
	})
	n.ends(1)
}

// TestQwenWorksAndIsTakenUpAgain runs the real program through the situations of a night.
func TestQwenWorksAndIsTakenUpAgain(t *testing.T) {
	testrig.Long(t)
	t.Parallel()
	shell := func(command string) model.Step {
		return model.ToolUse("run_shell_command", map[string]any{"command": command, "description": "run it", "is_background": false})
	}
	spec := event.Spec{Checks: []event.Check{
		{Name: "build", Run: "! grep -q broken b.txt || { echo 'b.txt:1:1: broken'; exit 3; }", OnEdit: true, Timeout: time.Minute},
	}}
	r := testrig.New(t, generic.Preset("qwen"), "say hello", spec, func(modelURL, _ string) []string {
		return qwen.NewUser(t, modelURL).Env(t)
	})
	n := &night{Rig: r}
	r.Patience = 3 * time.Minute // the program starts slowly on a busy machine
	r.Model.Add(
		shell("echo one > one.txt"), shell("echo two > two.txt"),
		model.ToolUse("write_file", map[string]any{"file_path": filepath.Join(r.Launch.Worktree, "b.txt"), "content": "broken\n"}),
		model.Always(model.Say("all done").Costing(model.Usage{Input: 100, Output: 7, CacheRead: 3})),
	)
	n.firstTurn()

	n.say("m1", strings.Repeat("- and more\n", 30)+`end your turn. \`)
	if told := r.Called(5).Last(); !told.Contains("[muster m1] - and more") || !told.Contains("end your turn.") {
		t.Errorf("m1 arrived as %+v", told)
	}
	n.ends(2)
	r.Model.Add(model.Error(400))
	n.say("m2", "go on")
	r.Record("the error is told", func(rec event.Record) bool { return rec.State == failed && rec.Error == event.ErrorInvalidRequest })
	if d, err := r.Adapter.Delivered(r.Launch, "m2"); err != nil || d != agent.DeliveryAcknowledged {
		t.Errorf("m2 is %s (%v)", d, err)
	}
	before := len(r.Model.Requests())
	r.Model.Add(model.ToolUse("read_file", map[string]any{"file_path": filepath.Join(r.Launch.Worktree, "a.txt")}), model.Hang())
	n.say("m3", "and hang")
	r.Called(before + 2)
	seen := len(r.Records())
	r.Tmux(append([]string{"send-keys", "-t", r.Pane()}, r.Adapter.Facts().Interrupt.Keys...)...)
	r.RecordAfter(seen, "the interrupt is told", func(rec event.Record) bool { return rec.State == idle && rec.Interrupted })

	before = len(r.Model.Requests())
	r.Model.Add(model.Hang())
	n.say("m4", "work")
	r.Called(before + 1)
	n.killAndResume(mail.Message{ID: "m5", Text: "after the kill"})
	again := r.Called(before + 2)
	if !again.Contains("say hello") || !again.Contains("go on where you stopped") || !again.Contains("[muster m5]\nafter the kill") {
		t.Errorf("the conversation was not taken up: %+v", again.Messages)
	}
	r.Record("the message arrives", func(rec event.Record) bool {
		return rec.Message == "m5" && rec.Prompted && rec.Gen == 2 && rec.SessionID == r.Launch.Conversation
	})
	n.ends(1)
}

// night is a described agent at work, with what a person and the fleet do to it.
type night struct{ *testrig.Rig }

// firstTurn starts the agent, whose script has two commands, an edit that a check refuses, and its last words: the first command is
// allowed and the second one denied. It checks what the model was told, what was made, and the usage.
func (r *night) firstTurn() {
	r.T.Helper()
	r.Start()
	if first := r.Called(1); !first.Contains("Task t1 (muster):") || !first.Contains("say hello") || !first.Contains("muster check") {
		r.T.Errorf("the first prompt is %+v", first.Messages)
	}
	r.answer("one.txt", mail.Allow, "")
	r.answer("two.txt", mail.Deny, "not this file")
	if third := r.Called(3); !third.Contains("not this file") {
		r.T.Errorf("the model was not told why: %+v", third.Last())
	}
	r.answer("b.txt", mail.Allow, "")
	if fourth := r.Called(4); !fourth.Contains("b.txt:1:1: broken") {
		r.T.Errorf("the check's words are not with the edit: %+v", fourth.Last())
	}
	r.ends(1)
	r.made(map[string]bool{"one.txt": true, "two.txt": false, "b.txt": true})
	r.Until("the usage is told", func() bool {
		return testrig.Count(r.Source("transcript"), func(rec event.Record) bool {
			return rec.Usage != nil && rec.Usage.Turns == 4 && rec.Usage.InputTokens == 130 && rec.Usage.OutputTokens == 22 && rec.Usage.CacheReadTokens == 3
		}) > 0
	})
}

// ends waits for the ends of n turns that hooks report.
func (r *night) ends(n int) {
	r.T.Helper()
	r.Until("the turn is over", func() bool {
		return testrig.Count(r.Records(), func(rec event.Record) bool { return rec.State == idle && rec.Src == event.SrcHook }) >= n
	})
}

// answer answers the request that has some words.
func (r *night) answer(what, decision, text string) {
	r.T.Helper()
	ask := r.Record(what+" is asked", func(rec event.Record) bool { return rec.State == waiting && strings.Contains(rec.Note, what) })
	shown, err := r.Box().Asked(ask.Request, ask.Tool)
	if err != nil || !strings.Contains(shown.Input, what) {
		r.T.Fatalf("what is asked: %+v, %v", shown, err)
	}
	a := mail.Answer{Request: ask.Request, Decision: decision, Text: text, Hash: shown.Hash, Gen: 1}
	prooftest.Intend(r.T, r.Launch.Home, "t1", 1, a)
	if err := r.Adapter.Answer(r.Launch, a); err != nil {
		r.T.Fatal(err)
	}
}

// made checks which files the agent has made, and that all records are of its conversation.
func (r *night) made(files map[string]bool) {
	r.T.Helper()
	for file, want := range files {
		if _, err := os.Stat(filepath.Join(r.Launch.Worktree, file)); (err == nil) != want {
			r.T.Errorf("%s exists: %v, want %v", file, err == nil, want)
		}
	}
	for _, rec := range r.Records() {
		if rec.SessionID != r.Launch.Conversation {
			r.T.Errorf("a record is of another conversation: %+v", rec)
		}
	}
}

// say types a message and waits until it has arrived.
func (r *night) say(id event.MessageID, text string) {
	r.T.Helper()
	r.Paste(r.Adapter.Typed(mail.Message{ID: id, Text: text})...)
	time.Sleep(time.Second) // as the fleet does: this screen does not tell what stands in the input
	r.Tmux("send-keys", "-t", r.Pane(), "Enter")
	r.Record(string(id)+" is acknowledged", func(rec event.Record) bool { return rec.Message == id && rec.Prompted })
}

// killAndResume kills the agent and starts a process that takes the conversation up, with a message.
func (r *night) killAndResume(m mail.Message) {
	r.T.Helper()
	r.Kill()
	for _, pid := range r.Marked() { // the fleet ends all that the agent started before it starts the next one
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill()
		}
	}
	r.Until("all of it is gone", func() bool { return len(r.Marked()) == 0 })
	next := r.Launch
	next.Gen, next.Resume, next.GoOn, next.Messages = 2, true, "go on where you stopped", []mail.Message{m}
	if !r.Adapter.Resumable(next) {
		r.T.Fatal("the conversation is not resumable")
	}
	r.Launch = next
	r.Start()
}
