package e2e

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"muster/internal/event"
	"muster/internal/testkit/model"
)

func TestClaudeAndItsCheckDoNotNoticeThatTheSupervisorIsKilled(t *testing.T) {
	t.Parallel()
	// The check records that it began, and outlives the supervisor.
	r := newClaudeRig(t, `
[checks]
test = "echo begun >> \"$TMPDIR/begun\"; sleep 3; go test ./..."
`, goFiles)
	file := r.workFile("t1", "the answer", "answer.go")
	r.model.Add(useRead(file), useEdit(file, "return 0", "return 41"), model.Text("Done."), useEdit(file, "return 41", "return 42"), model.Text("Mended."))
	id := r.queue("the answer", "Make the test pass.")
	begun := r.tmp("t1", "begun")
	for n := 1; n <= 2; n++ { // once while it will be red, once while it will be green
		r.await("the check runs", func() bool { return linesOf(begun) == n })
		r.kill(r.only("supervise"))
	}
	got := r.becomes(id, event.Done)
	if n := len(payloads[event.SupervisorStarted](r.Fleet, "")); n != 3 {
		t.Errorf("%d supervisors were started, want 3", n)
	}
	if n := such(r, id, func(p event.RoundFinished) bool { return p.Void == "" }); n != 2 || linesOf(begun) != 2 {
		t.Errorf("%d rounds were judged, and the check ran %d times, want 2 and 2", n, linesOf(begun))
	}
	if got.Gen != 1 || got.Attempt != 1 {
		t.Errorf("generation %d, attempt %d, want the first ones", got.Gen, got.Attempt)
	}
	if n := len(r.model.Requests()); n != 5 {
		t.Errorf("the model was called %d times, want 5", n)
	}
	r.once("Make the test pass.", "[muster m1]")
	r.checkDone(got)
}

func TestClaudeIsResumedInItsConversationAfterItWasKilledInATool(t *testing.T) {
	t.Parallel()
	files := map[string]string{"tool.sh": "echo $$ >> \"$TMPDIR/tool\"\nsleep 300\n"}
	for name, text := range goFiles {
		files[name] = text
	}
	r := newClaudeRig(t, goChecks, files)
	r.configure(goChecks, `args = ["--allowedTools", "Bash(sh tool.sh)"]`)
	file := r.workFile("t1", "the answer", "answer.go")
	r.model.Add(
		useRead(file),
		useEdit(file, "return 0", "return 41"),
		useBash("sh tool.sh"),
		useRead(file),
		useEdit(file, "return 41", "return 42"),
		model.Text("Done."),
	)
	id := r.queue("the answer", "Make the test pass.")
	tool := r.tmp("t1", "tool")
	r.await("the tool runs", func() bool { return linesOf(tool) == 1 })
	before := r.task(id)
	r.kill(before.Agent.Process.PID)
	again := r.asked(4)
	if !again.Contains("Make the test pass.") || !again.Contains("taken up again") {
		t.Errorf("the conversation was not taken up: %+v", again.Messages)
	}
	b, err := os.ReadFile(tool)
	if err != nil {
		t.Fatal(err)
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err != nil || alive(pid) {
		t.Errorf("the tool of the agent that was killed runs on beside the new one (%d, %v)", pid, err)
	}
	got := r.becomes(id, event.Done)
	if got.Conversation != before.Conversation || got.Gen != 2 || got.Attempt != 2 {
		t.Errorf("conversation %s (was %s), generation %d, attempt %d, want the same, 2, 2", got.Conversation, before.Conversation, got.Gen, got.Attempt)
	}
	if n := such(r, id, func(p event.AgentExited) bool { return p.Cause == event.CauseOwn && p.Known && p.Signal == 9 }); n != 1 {
		t.Errorf("the kill was recorded %d times, want once", n)
	}
	r.once("Make the test pass.")
	if linesOf(tool) != 1 || len(r.model.Requests()) != 6 {
		t.Errorf("the tool ran %d times and the model was called %d times, want 1 and 6", linesOf(tool), len(r.model.Requests()))
	}
	r.checkDone(got)
}
