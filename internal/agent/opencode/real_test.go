package opencode_test

import (
	"strings"
	"testing"

	"muster/internal/agent"
	"muster/internal/agent/opencode"
	"muster/internal/event"
	"muster/internal/testkit/model"
	testrig "muster/internal/testkit/rig"
)

// The tests with the real program are few and long, because it takes up to a minute to start. Each states what it shows in
// one task.

func acknowledges(id event.MessageID) func(event.Record) bool {
	return func(rec event.Record) bool { return rec.Message == id }
}

// TestOpenCodeDoesATask starts in a worktree that the agent has never seen: no dialog, a turn with two tools, the usage, a
// message to the idle agent, one in the middle of a turn, and a kill.
func TestOpenCodeDoesATask(t *testing.T) {
	t.Parallel()
	r := newRig(t, "--help: say hello", event.Spec{}, nil,
		model.Always(model.Say("looking").AndUse("bash", map[string]any{"command": "cat a.txt", "description": "read"}).
			AndUse("bash", map[string]any{"command": "echo two", "description": "say"}).
			Costing(model.Usage{Input: 100, Output: 7, CacheRead: 40})),
		model.Text("hello"),
	)
	r.start()
	n := r.idle(0)
	first := r.Model.Requests()[0]
	if !first.Last().Contains("Task t1 (muster):\n\n--help: say hello") || !strings.Contains(first.System, "You work unattended, under muster") {
		t.Errorf("the first call has neither prompt nor preamble:\n%s\n%+v", first.System, first.Messages)
	}
	if last := r.Model.Requests()[1].Last(); !last.Contains("hello") || !last.Contains("two") {
		t.Errorf("the results of the tools are missing: %+v", last)
	}
	tools := 0
	for _, rec := range r.Records() {
		if rec.SessionID != r.Launch.Conversation {
			t.Errorf("a record of another conversation: %+v", rec)
		}
		if rec.Tool == "bash" {
			tools++
		}
	}
	if got := r.states(); tools != 2 || len(got) != 2 || got[0] != event.RecordWorking || got[1] != event.RecordIdle {
		t.Errorf("%d tools, states %v, want two tools, working, idle", tools, got)
	}
	r.Until("usage", func() bool {
		j := r.journal()
		return len(j) > 0 && j[len(j)-1].Usage != nil && testrig.Tokens(*j[len(j)-1].Usage) ==
			event.Usage{InputTokens: 110, OutputTokens: 12, CacheReadTokens: 40, Turns: 2}
	})

	// An idle agent.
	r.Model.Add(model.Text("noted"))
	r.send("m1", "exit")
	if rec, _ := r.RecordAfter(n, "m1 arrives", acknowledges("m1")); !rec.Prompted {
		t.Errorf("the message began no turn: %+v", rec)
	}
	n = r.idle(n)
	if seen := r.Model.Seen("[muster m1]\nexit"); seen != 1 {
		t.Errorf("the model got the message %d times", seen)
	}

	// A busy one: the message arrives while a tool runs, and the next call of the model has it.
	r.Model.Add(model.ToolUse("bash", map[string]any{"command": "until test -e go; do sleep 0.1; done", "description": "wait"}), model.Text("gone"))
	r.send("m2", "wait")
	_, n = r.RecordAfter(n, "the tool runs", func(rec event.Record) bool { return rec.Tool == "bash" })
	r.send("m3", "in the middle")
	r.RecordAfter(n, "m3 arrives", acknowledges("m3"))
	testrig.Shell(t, r.Launch.Worktree, "touch go")
	r.idle(n)
	if seen := r.Model.Seen("in the middle"); seen != 1 {
		t.Errorf("the model got the message in the middle of a turn %d times", seen)
	}
	if d, err := opencode.New().Delivered(r.Launch, "m3"); err != nil || d != agent.DeliveryAcknowledged {
		t.Errorf("m3 is %s (%v)", d, err)
	}

	// Killed in the middle of a turn, and resumed.
	r.Model.Add(model.Hang())
	r.send("m4", "hang")
	r.Until("the model is called", func() bool { return r.Model.Left() == 0 })
	r.Kill()
	if !opencode.New().Resumable(r.Launch) {
		t.Fatal("the conversation cannot be resumed")
	}
	r.Launch.Gen, r.Launch.Resume, r.Launch.GoOn = 2, true, "go on from here"
	r.Model.Add(model.Text("went on"))
	r.start()
	r.idle(0)
	last := r.Model.Requests()[len(r.Model.Requests())-1]
	if !last.Last().Contains("go on from here") || !last.Contains("--help: say hello") {
		t.Errorf("not the same conversation: %+v", last.Messages)
	}
	for _, text := range []string{"--help: say hello", "[muster m1]", "[muster m3]", "[muster m4]", "go on from here"} {
		if seen := r.Model.Seen(text); seen != 1 {
			t.Errorf("the model has %q %d times, want once", text, seen)
		}
	}
	for _, rec := range r.Records() {
		if rec.SessionID != r.Launch.Conversation {
			t.Errorf("a record of another conversation: %+v", rec)
		}
	}

	// A message that was delivered just before a kill is handed over again, and does not arrive twice.
	if err := r.Box().Done("m4"); err != nil {
		t.Fatal(err)
	}
	calls := len(r.Model.Requests())
	r.send("m4", "hang")
	r.Until("m4 is acknowledged again", func() bool {
		for _, rec := range r.journal() {
			if rec.Message == "m4" {
				return true
			}
		}
		return false
	})
	if got := len(r.Model.Requests()); got != calls || r.Model.Seen("[muster m4]") != 1 {
		t.Errorf("the message was given to the model again: %d calls after %d", got, calls)
	}
}
