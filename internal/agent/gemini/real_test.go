package gemini_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/internal/agent"
	"muster/internal/agent/gemini"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/proof/prooftest"
	testgemini "muster/internal/testkit/gemini"
	"muster/internal/testkit/model"
	testrig "muster/internal/testkit/rig"
)

// TestMain lets this test binary act as the program that hooks and panes run.
func TestMain(m *testing.M) { os.Exit(testrig.Main(m, gemini.New())) }

// rig is one task with a real Gemini CLI.
type rig struct {
	*testrig.Rig
	user testgemini.User
}

// newRig makes a rig whose user trusts the repository.
func newRig(t *testing.T, prompt string, spec event.Spec, script ...model.Step) *rig {
	t.Helper()
	r := &rig{}
	spec.Model = testgemini.Model
	r.Rig = testrig.New(t, gemini.New(), prompt, spec, func(modelURL, repo string) []string {
		r.user = testgemini.NewUser(t, modelURL, repo)
		return r.user.Env(t)
	}, script...)
	r.Patience = 3 * time.Minute // five processes start in each turn
	return r
}

// source returns the records of another file of the agent; nil before it is there.
func (r *rig) source(name string) []event.Record {
	r.T.Helper()
	if !r.HasSource(name) {
		return nil
	}
	return r.Source(name)
}

// over waits for the end of a turn after the first n records and returns the number of records up to it.
func (r *rig) over(n int) int {
	r.T.Helper()
	_, n = r.RecordAfter(n, "the turn is over", func(rec event.Record) bool { return rec.State == event.RecordIdle && rec.Stopping })
	return n
}

func shell(command string) map[string]any { return map[string]any{"command": command} }

// TestGeminiDoesATurnAsksAndIsTakenUpAgain lets one agent edit, ask for two permissions, take a message, and be killed.
func TestGeminiDoesATurnAsksAndIsTakenUpAgain(t *testing.T) {
	testrig.Long(t)
	t.Parallel()
	spec := event.Spec{Args: []string{"--approval-mode=auto_edit"}, Checks: []event.Check{
		{Name: "build", Run: "grep -q fixed b.txt || { echo 'b.txt:1:1: not fixed'; exit 3; }", OnEdit: true, Timeout: time.Minute},
	}}
	r := newRig(t, "/quit", spec)
	file := filepath.Join(r.Launch.Worktree, "b.txt")
	r.Model.Add(
		model.ToolUse("write_file", map[string]any{"file_path": file, "content": "broken\n"}),
		model.ToolUse("run_shell_command", shell("echo fixed > b.txt")),
		model.ToolUse("run_shell_command", shell("touch two.txt")),
		model.Always(model.Say("all done").Costing(model.Usage{Input: 100, Output: 7, CacheRead: 3})),
	)
	r.Start()
	first := r.Called(1)
	if !first.Contains("Task t1 (muster):\n\n/quit") || !strings.Contains(first.System, "muster check") && !first.Contains("muster check") {
		t.Errorf("the prompt or the preamble is not among %+v", first.Messages)
	}
	if second := r.Called(2); !second.Last().Contains("b.txt:1:1: not fixed") || !second.Last().Contains("exit status 3") {
		t.Errorf("the check's words are not in the answer of the edit: %+v", second.Last())
	}
	answer := func(what, decision, text string) {
		t.Helper()
		ask := r.Record(what+" is asked", func(rec event.Record) bool {
			return rec.State == event.RecordWaiting && strings.Contains(rec.Note, what)
		})
		shown, err := r.Box().Asked(ask.Request, ask.Tool)
		if err != nil || !strings.Contains(shown.Input, what) || ask.Reason != event.WaitPermission {
			t.Fatalf("what is asked: %+v, %+v, %v", ask, shown, err)
		}
		a := mail.Answer{Request: ask.Request, Decision: decision, Text: text, Hash: shown.Hash, Gen: 1}
		prooftest.Intend(t, r.Launch.Home, "t1", 1, a)
		if err := r.Adapter.Answer(r.Launch, a); err != nil {
			t.Fatal(err)
		}
	}
	answer("echo fixed", mail.Allow, "")
	answer("touch two.txt", mail.Deny, "not this file")
	if told := r.Called(4).Last(); !told.Contains("not this file") {
		t.Errorf("the model was not told why: %+v", told)
	}
	n := r.over(0)
	for name, want := range map[string]bool{"b.txt": true, "two.txt": false} {
		if _, err := os.Stat(filepath.Join(r.Launch.Worktree, name)); (err == nil) != want {
			t.Errorf("%s exists: %v, want %v", name, err == nil, want)
		}
	}
	for _, rec := range r.Records() {
		if rec.SessionID != r.Launch.Conversation || rec.PermissionMode != "auto_edit" {
			t.Errorf("a record is of another conversation or mode: %+v", rec)
		}
	}
	r.Until("the transcript tells the usage", func() bool {
		for _, rec := range r.source("transcript") {
			if u := rec.Usage; u != nil && u.Turns == 4 {
				return testrig.Tokens(*u) == event.Usage{InputTokens: 130, OutputTokens: 22, CacheReadTokens: 3, Turns: 4}
			}
		}
		return false
	})
	if out := testrig.Shell(t, r.Launch.Worktree, "git status --porcelain"); strings.TrimSpace(out) != "?? b.txt" {
		t.Errorf("the worktree has %q", out)
	}
	if entries, err := os.ReadDir(r.user.Dir()); err != nil || len(entries) != 2 {
		t.Errorf("the user's directory has %v (%v)", entries, err)
	}

	long := "Mind these:\n\n\t- `one`\n- two\n" + strings.Repeat("- and\tmore @types/node\n", 40) + "and end your turn."
	for i, text := range []string{"Yes, do it. \\", long} {
		id := event.NewMessageID(i + 1)
		r.Say(id, text)
		r.Record("it is acknowledged", func(rec event.Record) bool { return rec.Message == id && rec.Prompted })
		told := strings.Join(r.Called(i+5).Last().Texts, "\n")
		if want := id.Tag() + " " + text; told != want {
			t.Errorf("%s arrived as %.300q, want %.300q", id, told, want)
		}
		n = r.over(n)
		if d, err := r.Adapter.Delivered(r.Launch, id); err != nil || d != agent.DeliveryAcknowledged {
			t.Errorf("%s is %s (%v)", id, d, err)
		}
	}
	// A person breaks a turn off, and the next one ends by an error.
	r.Model.Add(model.Always(model.Say("half").StallAfter(1)), model.Error(401))
	r.Say("m3", "work")
	r.Called(7)
	r.Tmux(append([]string{"send-keys", "-t", r.Pane()}, r.Adapter.Facts().Interrupt.Keys...)...)
	r.Record("the interrupt is told", func(rec event.Record) bool {
		return rec.State == event.RecordIdle && rec.Interrupted
	})
	r.Say("m4", "again")
	r.Record("the error is told", func(rec event.Record) bool {
		return rec.State == event.RecordError && rec.Error == event.ErrorAuth
	})
	// A limit is told while the agent shows its menu, which one key closes.
	r.Model.Add(model.Always(testgemini.Exhausted(2 * time.Hour)))
	r.Say("m5", "and again")
	r.Until("the limit is told", func() bool {
		for _, rec := range r.source("telemetry.jsonl") {
			if rec.State == event.RecordLimited {
				d := rec.Until.Sub(rec.Time)
				return d > 2*time.Hour-time.Minute && d < 2*time.Hour+time.Minute
			}
		}
		return false
	})
	r.Until("the menu is open", func() bool { return r.Posture() == agent.PostureDialog })
	r.Tmux(append([]string{"send-keys", "-t", r.Pane()}, r.Adapter.Facts().Interrupt.Menu...)...)
	r.Until("the input is free", func() bool { return r.Posture() == agent.PostureReady })

	r.Model.Add(model.Always(model.Say("half").StallAfter(1)))
	r.Say("m6", "work on")
	r.Called(10)
	r.Kill()
	next := r.Launch
	next.Gen, next.Resume, next.GoOn = 2, true, "go on where you stopped"
	next.Messages = []mail.Message{{ID: "m7", Text: "after the kill"}}
	if !r.Adapter.Resumable(next) {
		t.Fatal("the conversation is not resumable")
	}
	r.Launch = next
	r.Start()
	again := r.Called(11)
	if !again.Contains("Yes, do it.") || !again.Contains("go on where you stopped") || !again.Contains("[muster m7]\nafter the kill") {
		t.Errorf("the conversation was not taken up: %+v", again.Messages)
	}
	r.over(0)
}
