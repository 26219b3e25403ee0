package claude_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/mail"
	"muster/internal/proof/prooftest"
	testclaude "muster/internal/testkit/claude"
	"muster/internal/testkit/model"
	"muster/internal/testkit/proc"
	testrig "muster/internal/testkit/rig"
)

// These tests run the real Claude Code against a scripted model.

func TestClaudeFirstTurnNeedsNoKeyAndACheckSpeaksWithinIt(t *testing.T) {
	testclaude.Each(t, func(t *testing.T, version string) {
		spec := event.Spec{Checks: []event.Check{
			{Name: "build", Run: "grep -q fixed b.txt || { echo 'b.txt:1:1: not fixed'; exit 3; }", OnEdit: true, Timeout: time.Minute},
			{Name: "slow", Run: "exit 1", Timeout: time.Minute},
		}}
		r := newRig(t, version, "exit", spec)
		file := filepath.Join(r.Launch.Worktree, "b.txt")
		r.Model.Add(
			model.ToolUse("Write", map[string]any{"file_path": file, "content": "broken\n"}),
			model.ToolUse("Edit", map[string]any{"file_path": file, "old_string": "broken", "new_string": "fixed"}),
			model.Always(model.Say("all done").Costing(model.Usage{Input: 100, Output: 7, CacheRead: 3, CacheWrite: 2})),
		)
		// The user's configuration may be in the way: hooks are switched off, and a server of the project requires
		// approval.
		r.user.Settings(t, map[string]any{"disableAllHooks": true})
		if err := os.WriteFile(filepath.Join(r.Launch.Worktree, ".mcp.json"), []byte(`{"mcpServers":{"x":{"command":"false"}}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		before := userFiles(t, r)
		r.Start()
		first := r.Called(1)
		if !first.Contains("Task t1 (muster):\n\nexit") {
			t.Errorf("the prompt is not among %+v", first.Messages)
		}
		if !strings.Contains(first.System, "muster check") {
			t.Error("the preamble is not in the system prompt")
		}
		second, third := r.Called(2), r.Called(3)
		if !second.Last().Contains("b.txt:1:1: not fixed") || !second.Last().Contains("exit status 3") {
			t.Errorf("the check's words are not in the answer of the first edit: %+v", second.Last())
		}
		if third.Last().Contains("is red after this edit") {
			t.Errorf("a green check spoke: %+v", third.Last())
		}
		r.idle(1)
		all := r.Records()
		if got := all[0]; got.State != event.RecordWorking || got.SessionID != r.Launch.Conversation || got.Src != "hook" || got.Gen != 1 {
			t.Errorf("first record: %+v", got)
		}
		if n := testrig.Count(all, func(rec event.Record) bool { return rec.Prompted }); n != 1 {
			t.Errorf("%d turns began, want 1", n)
		}
		if n := testrig.Count(all, func(rec event.Record) bool { return rec.State == event.RecordWaiting }); n != 0 {
			t.Errorf("%d requests for permission, want none: %+v", n, all)
		}
		if n := testrig.Count(all, func(rec event.Record) bool { return rec.PermissionMode == "acceptEdits" }); n == 0 {
			t.Error("no record tells the permission mode")
		}
		last := all[len(all)-1]
		if last.State != event.RecordWorking || !last.Stopping || last.Background || last.Note != "all done" {
			t.Errorf("last record: %+v", last)
		}
		r.Until("the agent's own status file is idle", func() bool {
			recs := r.Source("claude.session")
			return len(recs) == 1 && recs[0].State == event.RecordIdle && recs[0].SessionID == r.Launch.Conversation
		})
		r.Until("the transcript tells the usage", func() bool {
			return testrig.Tokens(usage(r)) == event.Usage{
				InputTokens: 120, OutputTokens: 17, CacheReadTokens: 3, CacheWriteTokens: 2, Turns: 3,
			}
		})
		if after := userFiles(t, r); after != before {
			t.Errorf("the user's own files changed: %s, %s", before, after)
		}
	})
}

// usage returns the newest usage in the transcript.
func usage(r *rig) event.Usage {
	var u event.Usage
	for _, rec := range r.Source("transcript") {
		if rec.Usage != nil {
			u = *rec.Usage
		}
	}
	return u
}

// userFiles returns a digest of the user's own files: settings, and the project's files in the main checkout.
func userFiles(t *testing.T, r *rig) string {
	t.Helper()
	h := sha256.New()
	for _, path := range []string{
		filepath.Join(r.user.Config, "settings.json"), filepath.Join(r.Launch.Spec.Repo, "a.txt"),
		filepath.Join(r.Launch.Spec.Repo, ".claude", "settings.local.json"), filepath.Join(r.Launch.Worktree, ".claude", "settings.local.json"),
	} {
		b, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		h.Write([]byte(path))
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func TestClaudeTakesMessagesWhileIdleAndWhileAToolRuns(t *testing.T) {
	testclaude.Each(t, func(t *testing.T, version string) {
		spec := event.Spec{Checks: []event.Check{{Name: "slow", Run: "sleep 4"}}}
		r := newRig(t, version, "say hello", spec,
			model.Text("hello"),
			model.ToolUse("Bash", map[string]any{"command": "sleep 4", "description": "wait"}), // a check, so it is allowed
			model.Text("woken"), model.Text("third"), model.Text("fourth"))
		r.Start()
		r.idle(1)
		r.Say("m1", "first message with \"quotes\"")
		woken := r.Called(2)
		if !woken.Last().Contains("[muster m1] first message with \"quotes\"") {
			t.Errorf("the message is not in the turn: %+v", woken.Last())
		}
		r.Record("m1 is acknowledged", func(rec event.Record) bool { return rec.Message == "m1" && rec.Prompted })
		if d, err := r.Adapter.Delivered(r.Launch, "m1"); err != nil || d != agent.DeliveryAcknowledged {
			r.Until("the transcript holds m1", func() bool {
				d, err := r.Adapter.Delivered(r.Launch, "m1")
				return err == nil && d == agent.DeliveryAcknowledged
			})
		}
		r.Record("the tool runs", func(rec event.Record) bool { return rec.Tool == "Bash" })
		r.Send("m2", "in the middle")
		within := r.Called(3)
		if !within.Contains("[muster m2]\nin the middle") {
			t.Errorf("m2 did not get into the running turn")
		}
		r.Until("the transcript acknowledges m2", func() bool {
			return testrig.Count(r.Source("transcript"), func(rec event.Record) bool { return rec.Message == "m2" && rec.State == "" }) > 0
		})
		r.idle(2)
		r.Say("m3", "third")
		r.idle(3)
		r.Say("m4", "fourth")
		r.Record("m4 is acknowledged", func(rec event.Record) bool { return rec.Message == "m4" })
		r.idle(4)
		for _, tag := range []string{"[muster m1]", "[muster m2]", "[muster m3]", "[muster m4]"} {
			if n := r.Model.Seen(tag); n != 1 {
				t.Errorf("%s was seen %d times, want once", tag, n)
			}
		}
		if d, err := r.Adapter.Delivered(r.Launch, "m9"); err != nil || d != agent.DeliveryAbsent {
			t.Errorf("a message that was never sent is %s (%v)", d, err)
		}
		r.Until("one waiter is left", func() bool { return len(r.waiters()) == 1 })
		r.Kill()
		r.Until("the waiter ends with its agent", func() bool { return len(r.waiters()) == 0 })
	})
}

func TestClaudePermissionsAndQuestionsAreAnsweredThroughTheMailbox(t *testing.T) {
	testclaude.Each(t, func(t *testing.T, version string) {
		question := map[string]any{"questions": []any{map[string]any{
			"question": "Which color?", "header": "Color", "multiSelect": false,
			"options": []any{map[string]any{"label": "Red", "description": "r"}, map[string]any{"label": "Blue", "description": "b"}},
		}}}
		r := newRig(t, version, "ask me", event.Spec{WaitLimit: 5 * time.Minute},
			model.ToolUse("Bash", map[string]any{"command": "touch /tmp/x && python3 -c 'print(6*7)'", "description": "reckon"}),
			model.ToolUse("Bash", map[string]any{"command": "python3 -c 'print(1)'", "description": "reckon"}),
			model.ToolUse("AskUserQuestion", question),
			model.Text("fine"))
		r.Launch.Spec.Args = []string{"--permission-mode", "default"}
		r.Start()
		open := func(n int) event.Record {
			t.Helper()
			var found []event.Record
			r.Until("a request opens", func() bool {
				found = nil
				for _, rec := range r.Records() {
					if rec.State == event.RecordWaiting {
						found = append(found, rec)
					}
				}
				return len(found) >= n
			})
			return found[n-1]
		}
		answer := func(rec event.Record, decision, text string) {
			t.Helper()
			ask, err := r.Box().Asked(rec.Request, rec.Tool)
			if err != nil || ask.Cut {
				t.Fatalf("the request was not kept whole: %+v, %v", ask, err)
			}
			answer := mail.Answer{Request: rec.Request, Decision: decision, Text: text, Hash: ask.Hash, Gen: r.Launch.Gen}
			prooftest.Intend(t, r.Launch.Home, "t1", r.Launch.Gen, answer)
			if err := r.Box().Answer(answer); err != nil {
				t.Fatal(err)
			}
		}
		first := open(1)
		if first.Reason != event.WaitPermission || first.Tool != "Bash" || !strings.Contains(first.Note, "python3") {
			t.Errorf("first request: %+v", first)
		}
		answer(first, mail.Allow, "")
		if got := r.Called(2).Last(); !got.Contains("42") {
			t.Errorf("the allowed tool did not run: %+v", got)
		}
		answer(open(2), mail.Deny, "not today, use awk")
		if got := r.Called(3).Last(); !got.Contains("not today, use awk") {
			t.Errorf("the reason did not arrive: %+v", got)
		}
		third := open(3)
		if third.Reason != event.WaitQuestion || third.Note != "Which color?" || strings.Join(third.Options, ",") != "Red,Blue" {
			t.Errorf("question: %+v", third)
		}
		answer(third, mail.Text, "Blue")
		if got := r.Called(4).Last(); !got.Contains("Blue") {
			t.Errorf("the answer did not arrive: %+v", got)
		}
		r.idle(1)
		for _, req := range []event.Record{first, third} {
			r.Record("the request is closed by a record", func(rec event.Record) bool {
				return rec.State == event.RecordWorking && rec.Request == req.Request
			})
		}
	})
}

func TestClaudeErrorsOfTheModelEndTheTurnAsWhatTheyAre(t *testing.T) {
	testclaude.Each(t, func(t *testing.T, version string) {
		r := newRig(t, version, "go", event.Spec{}, model.Error(529), model.Error(529), model.Text("fine"))
		r.Launch.Env = append(r.Launch.Env, "CLAUDE_CODE_MAX_RETRIES=0")
		r.Start()
		failed := func(n int) event.Record {
			t.Helper()
			var found []event.Record
			r.Until("the turn fails", func() bool {
				found = nil
				for _, rec := range r.Records() {
					if rec.State == event.RecordError {
						found = append(found, rec)
					}
				}
				return len(found) >= n
			})
			return found[n-1]
		}
		if got := failed(1); got.Error != event.ErrorOverloaded || !strings.Contains(got.Note, "529") {
			t.Errorf("529: %+v", got)
		}
		for i, c := range []struct {
			status int
			want   event.ErrorKind
		}{{401, event.ErrorAuth}, {429, event.ErrorRateLimit}, {400, event.ErrorInvalidRequest}} {
			// A version may retry a request in other forms before it gives up, so every call fails this way until the
			// turn has ended.
			r.Model.Clear()
			for range 20 {
				r.Model.Add(model.Error(c.status))
			}
			r.Say(event.NewMessageID(i+1), "go on")
			if got := failed(i + 2); got.Error != c.want {
				t.Errorf("%d: %+v, want %s", c.status, got, c.want)
			}
		}
		r.Model.Clear()
		r.Say("m9", "go on")
		r.idle(1)
	})
}

func TestClaudeGoesOnWithItsConversationAfterAKill(t *testing.T) {
	testclaude.Each(t, func(t *testing.T, version string) {
		r := newRig(t, version, "remember the number 4711", event.Spec{}, model.Hang())
		if r.Adapter.Resumable(r.Launch) {
			t.Error("a conversation that never began is resumable")
		}
		r.Start()
		r.Called(1)
		r.Until("the transcript holds the prompt", func() bool { return r.Adapter.Resumable(r.Launch) })
		r.Send("m1", "queued and lost")
		r.Until("the message was taken", func() bool { taken, err := r.Box().IsTaken("m1"); return err == nil && taken })
		r.Until("the message is in the agent's queue", func() bool {
			d, err := r.Adapter.Delivered(r.Launch, "m1")
			return err == nil && d == agent.DeliveryEnqueued
		})
		r.Kill()
		if d, err := r.Adapter.Delivered(r.Launch, "m1"); err != nil || d != agent.DeliveryEnqueued {
			t.Errorf("after the kill m1 is %s (%v)", d, err)
		}
		r.Launch.Gen, r.Launch.Resume, r.Launch.GoOn = 2, true, "go on"
		r.Launch.Messages = []mail.Message{{ID: "m1", Text: "queued and lost"}}
		r.Start()
		again := r.Called(2)
		if !again.Contains("4711") || !again.Contains("go on") || !again.Contains("[muster m1]") {
			t.Errorf("the conversation was not taken up: %+v", again.Messages)
		}
		r.idle(1)
		ack := r.Record("m1 is acknowledged", func(rec event.Record) bool { return rec.Message == "m1" })
		if ack.SessionID != r.Launch.Conversation || ack.Gen != 2 || !ack.Prompted {
			t.Errorf("acknowledged by %+v", ack)
		}
		// Claude Code writes its transcript asynchronously: all hooks of a turn may have run before the transcript
		// holds the turn.
		r.Until("the transcript holds m1", func() bool {
			d, err := r.Adapter.Delivered(r.Launch, "m1")
			return err == nil && d == agent.DeliveryAcknowledged
		})
	})
}

func TestClaudeTellsOfATurnThatAPersonBrokeOff(t *testing.T) {
	testclaude.Each(t, func(t *testing.T, version string) {
		r := newRig(t, version, "work", event.Spec{}, model.Hang())
		r.Start()
		r.Called(1)
		r.Until("the agent says it is busy", func() bool {
			recs := r.Source("claude.session")
			return len(recs) == 1 && recs[0].State == event.RecordWorking
		})
		prompted := r.Record("the turn began", func(rec event.Record) bool { return rec.Prompted })
		r.Tmux(append([]string{"send-keys", "-t", "g1"}, r.Adapter.Facts().Interrupt.Keys...)...)
		r.Until("the agent says it is idle", func() bool {
			recs := r.Source("claude.session")
			return len(recs) == 1 && recs[0].State == event.RecordIdle && recs[0].Time.After(prompted.Time)
		})
		end := r.Adapter.Facts().End
		if err := syscall.Kill(r.PID, end.Signal); err != nil {
			t.Fatal(err)
		}
		started := time.Now()
		r.Until("it ends by its signal", func() bool { return proc.Arguments(r.PID) == "" })
		if took := time.Since(started); took > 4*end.Grace { // the machine may be busy
			t.Errorf("it took %s to end", took)
		}
		r.Record("the end is noted", func(rec event.Record) bool { return rec.State == event.RecordExited })
	})
}

func TestClaudeTellsOfAToolThatAPersonBrokeOff(t *testing.T) {
	testclaude.Each(t, func(t *testing.T, version string) {
		r := newRig(t, version, "work", event.Spec{}, model.ToolUse("Bash", map[string]any{"command": "touch begun; sleep 60"}))
		r.Start()
		r.Until("the tool runs", func() bool { _, err := os.Stat(filepath.Join(r.Launch.Worktree, "begun")); return err == nil })
		r.Tmux(append([]string{"send-keys", "-t", "g1"}, r.Adapter.Facts().Interrupt.Keys...)...)
		r.Until("its transcript tells of it", func() bool {
			return testrig.Count(r.Source("transcript"), func(rec event.Record) bool { return rec.State == event.RecordIdle && rec.Interrupted }) == 1
		})
	})
}

func TestClaudeReadsALongPromptFromItsFileWithoutAsking(t *testing.T) {
	testclaude.Each(t, func(t *testing.T, version string) {
		long := "begin-of-task\n" + strings.Repeat("all work and no play\n", 8000) + "end-of-task"
		r := newRig(t, version, long, event.Spec{})
		path := filepath.Join(r.Launch.Dirs().RO(), "prompt.md")
		r.Model.Add(model.ToolUse("Read", map[string]any{"file_path": path, "limit": 10}), model.Text("fine"))
		r.Start()
		if got := r.Called(1); !got.Contains(path) || got.Contains("end-of-task") {
			t.Errorf("the prompt does not name its file")
		}
		if got := r.Called(2).Last(); !got.Contains("begin-of-task") {
			t.Errorf("the file was not read: %+v", got)
		}
		r.idle(1)
		b, err := os.ReadFile(path)
		if err != nil || strings.TrimSuffix(string(b), "\n") != long {
			t.Errorf("the file is not the prompt (%v, %d bytes)", err, len(b))
		}
	})
}

func TestClaudeBeginsAnewWhereAKillLeftAConversationWithoutItsPrompt(t *testing.T) {
	testclaude.Each(t, func(t *testing.T, version string) {
		r := newRig(t, version, "say hello", event.Spec{}, model.Text("hello"), model.Text("again"))
		transcript := r.Adapter.Sources(r.Launch, 0)[0].Path
		if err := os.MkdirAll(filepath.Dir(transcript), 0o700); err != nil {
			t.Fatal(err)
		}
		burnt := `{"type":"mode","mode":"normal","sessionId":"` + r.Launch.Conversation + `"}` + "\n"
		if err := os.WriteFile(transcript, []byte(burnt), 0o600); err != nil {
			t.Fatal(err)
		}
		if r.Adapter.Resumable(r.Launch) {
			t.Error("a conversation without a prompt is resumable")
		}
		r.Launch.Gen = 2
		r.Start()
		r.idle(1)
		for _, rec := range r.Records() {
			if rec.SessionID != r.Launch.Conversation {
				t.Errorf("a record is of another conversation: %+v", rec)
			}
		}
		r.Until("the transcript tells the usage", func() bool { return usage(r).Turns == 1 })
		r.Kill()
		r.Launch.Gen, r.Launch.GoOn = 3, "go on"
		if r.Launch.Resume = r.Adapter.Resumable(r.Launch); !r.Launch.Resume {
			t.Error("the conversation that was begun anew is not resumable")
		}
		r.Start()
		if again := r.Called(2); !again.Contains("say hello") || !again.Contains("go on") {
			t.Errorf("the conversation was not taken up: %+v", again.Messages)
		}
		r.idle(1)
	})
}

func TestClaudeTrustIsInheritedOrRefused(t *testing.T) {
	testclaude.Each(t, func(t *testing.T, version string) {
		r := newRig(t, version, "say hello", event.Spec{}, model.Text("hello"))
		pre := agent.Preflight{Spec: r.Launch.Spec, Env: r.Launch.Env, Home: r.Launch.Home}
		if err := r.Adapter.Check(t.Context(), pre); err != nil {
			t.Errorf("a repository that its user trusts: %v", err)
		}
		pre.Spec.Repo = r.Launch.Worktree // a linked worktree is trusted as its main repository is
		if err := r.Adapter.Check(t.Context(), pre); err != nil {
			t.Errorf("a linked worktree: %v", err)
		}
		stranger := testclaude.NewUser(t, version)
		r.user, r.Launch.Spec.Trust = stranger, "sandboxed"
		r.Launch.Env = append(stranger.Env(t, r.Model.URL), "MUSTER_HOME="+string(r.Launch.Home), "MUSTER_TASK=t1")
		pre = agent.Preflight{Spec: r.Launch.Spec, Env: r.Launch.Env, Home: r.Launch.Home}
		if err := r.Adapter.Check(t.Context(), pre); err != nil {
			t.Errorf("sandboxed: %v", err)
		}
		pre.Spec.Trust = ""
		err := r.Adapter.Check(t.Context(), pre)
		if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.HintOf(err), "cd "+r.Launch.Spec.Repo+" && ") {
			t.Errorf("a repository that nobody trusts: %v (%s)", err, fault.HintOf(err))
		}
		r.Start() // sandboxed, so there is no dialog
		r.idle(1)
	})
}

func TestClaudeTellsWhenAUsageLimitEndsAndIsWokenTwice(t *testing.T) {
	testclaude.Each(t, func(t *testing.T, version string) {
		reset := time.Now().Add(3 * time.Hour).Truncate(time.Minute).Add(17 * time.Second)
		limit := model.Fail(429).With("anthropic-ratelimit-unified-status", "rejected").
			With("anthropic-ratelimit-unified-reset", fmt.Sprint(reset.Unix())).
			With("anthropic-ratelimit-unified-representative-claim", "five_hour")
		r := newRig(t, version, "go", event.Spec{}, model.Always(limit), model.Always(limit), model.Text("fine"))
		r.Launch.Env = slices.DeleteFunc(r.Launch.Env, func(kv string) bool { return strings.HasPrefix(kv, "ANTHROPIC_API_KEY=") })
		r.Launch.Env = append(r.Launch.Env, "CLAUDE_CODE_OAUTH_TOKEN=no-real-token", "TZ=UTC")
		r.Start()
		isLimit := func(rec event.Record) bool { return rec.State == event.RecordLimited }
		limited := r.Record("the limit is told", isLimit)
		if early, late := reset.Add(-time.Minute), reset.Add(2*time.Minute); limited.Until.Before(early) || limited.Until.After(late) {
			t.Errorf("until %s, want %s: %s", limited.Until, reset, limited.Note)
		}
		if version != testclaude.Pinned { // that version reports no figures
			r.Until("the transcript tells the second", func() bool {
				return slices.ContainsFunc(r.Source("transcript"), func(rec event.Record) bool {
					return isLimit(rec) && !rec.Until.Before(reset) && rec.Until.Before(reset.Add(10*time.Second))
				})
			})
		}
		r.Until("the menu is open", func() bool { return strings.Contains(r.Screen(), "What do you want to do?") })
		if strings.Contains(r.Screen(), "Continuing automatically") {
			t.Error("the agent means to go on by itself")
		}
		for _, rec := range r.Source("claude.session") {
			if rec.State == event.RecordWaiting {
				t.Errorf("the menu was told as a question: %+v", rec)
			}
		}
		r.Until("the input is shut", func() bool { return r.Posture() == agent.PostureDialog })
		r.Tmux(append([]string{"send-keys", "-t", "g1"}, r.Adapter.Facts().Interrupt.Keys...)...) // closes the menu
		r.Say("m1", "go on")
		r.Record("the message arrives", func(rec event.Record) bool { return rec.Message == "m1" })
		r.Until("the limit is met again", func() bool { return testrig.Count(r.Records(), isLimit) == 2 })
		r.Say("m2", "go on")
		r.Record("the message arrives", func(rec event.Record) bool { return rec.Message == "m2" })
		r.idle(1)
	})
}

func TestClaudeGetsAPersonsWordsAsTheUsersOwn(t *testing.T) {
	testclaude.Each(t, func(t *testing.T, version string) {
		r := newRig(t, version, "say hello", event.Spec{}, model.Text("hello"))
		r.Start()
		r.idle(1)
		long := "Yes, I approve of it. Mind these:\n- one\n- two\n- three\n\nand end your turn after </system-reminder> that."
		for i, text := range []string{"Yes, I approve: do it </system-reminder> so.", long, strings.Repeat("words without an end ", 5000) + "end of it."} {
			id := event.NewMessageID(i + 1)
			r.Say(id, text)
			r.Record("it is acknowledged", func(rec event.Record) bool { return rec.Message == id && rec.Prompted })
			told := strings.Join(r.Called(i+2).Last().Texts, "\n")
			if !strings.HasPrefix(told, id.Tag()+" ") || strings.Contains(told, "NOT USER INPUT") || strings.Contains(told, "<task-notification>") {
				t.Errorf("%s is framed as something else than the user's words: %.700q", id, told)
			}
			if !strings.Contains(told, text) {
				t.Errorf("%s is not whole: %.700q", id, told)
			}
			// Pasted text counts only if the user's own text asks for it.
			own, pasted, framed := strings.Cut(told, "<pasted_content")
			if framed && (!strings.Contains(own, "do what it asks") || !strings.Contains(pasted, text)) {
				t.Errorf("%s is a paste that nobody asks for: %.700q", id, told)
			}
			r.idle(i + 2)
		}
		b, err := os.ReadFile(r.Adapter.Sources(r.Launch, 0)[0].Path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if strings.Contains(line, `"type":"user"`) && strings.Contains(line, "[muster m") && !strings.Contains(line, `"origin":{"kind":"human"}`) {
				t.Errorf("the program's own book has it from somebody else: %.400s", line)
			}
		}
	})
}

func TestClaudeSaysWhetherItTakesWhatIsTyped(t *testing.T) {
	testclaude.Each(t, func(t *testing.T, version string) {
		r := newRig(t, version, "go", event.Spec{}, model.Text("hello"),
			model.Delay(3*time.Second, model.ToolUse("Bash", map[string]any{"command": "python3 -c 'print(1)'", "description": "reckon"})), model.Text("fine"))
		r.Start()
		r.idle(1)
		posture := func(want agent.Posture) {
			t.Helper()
			r.Until("the posture is "+string(want), func() bool { return r.Posture() == want })
		}
		posture(agent.PostureReady)
		r.Tmux("send-keys", "-t", "g1", "-l", "a draft of somebody")
		posture(agent.PostureDraft)
		r.Tmux("send-keys", "-t", "g1", "C-u")
		posture(agent.PostureReady)
		r.Paste("[muster m7] of another\n", "first\nsecond\nthird\nfourth\nfifth")
		posture(agent.PostureStale)
		r.Tmux("send-keys", "-t", "g1", "C-c")
		posture(agent.PostureReady)
		r.Paste("first\nsecond\nthird\nfourth\nfifth")
		posture(agent.PostureDraft)
		r.Tmux("send-keys", "-t", "g1", "Enter")
		posture(agent.PostureBusy)
		posture(agent.PostureDialog)
	})
}

func TestClaudeTurnIsOverOnlyWhenAllStopHooksAreThrough(t *testing.T) {
	testclaude.Each(t, func(t *testing.T, version string) {
		r := newRig(t, version, "go", event.Spec{}, model.Text("first"), model.Delay(time.Second, model.Text("second")))
		mark := filepath.Join(string(r.Launch.Home), "blocked")
		hook := fmt.Sprintf(`[ -e %s ] && exit 0; touch %s; sleep 1; echo '{"decision":"block","reason":"you are not done yet"}'`, mark, mark)
		r.user.Settings(t, map[string]any{"hooks": map[string]any{"Stop": []any{map[string]any{"hooks": []any{
			map[string]any{"type": "command", "command": hook},
		}}}}})
		r.Start()
		sent := r.Called(2) // by the person's hook
		if !sent.Last().Contains("you are not done yet") && !sent.Contains("you are not done yet") {
			t.Errorf("the person's hook did not send it on: %+v", sent.Last())
		}
		if n := testrig.Count(r.Records(), func(rec event.Record) bool { return rec.State == event.RecordIdle }); n != 0 {
			t.Errorf("the turn was said to be over while the agent was sent on: %+v", r.Records())
		}
		r.idle(2)
		r.Until("the agent's own status file says that it is over", func() bool {
			recs := r.Source("claude.session")
			return len(recs) == 1 && recs[0].State == event.RecordIdle && recs[0].Stopping
		})
	})
}

func TestClaudeTakesItsPromptBeforeAnyMessage(t *testing.T) {
	testclaude.Each(t, func(t *testing.T, version string) {
		spec := event.Spec{Checks: []event.Check{{Name: "slow", Run: "sleep 3"}}}
		r := newRig(t, version, "the task itself", spec,
			model.ToolUse("Bash", map[string]any{"command": "sleep 3", "description": "wait"}), model.Text("fine"))
		if err := r.Box().Create(); err != nil {
			t.Fatal(err)
		}
		r.Send("m1", "are you there?")
		r.Start()
		if first := r.Called(1); first.Contains("[muster m1]") || !first.Contains("the task itself") {
			t.Errorf("the first call is not about the task: %+v", first.Last())
		}
		r.Record("the message arrives", func(rec event.Record) bool { return rec.Message == "m1" || rec.Stopping })
	})
}

func TestClaudeGoesOnAfterAPersonSaidNo(t *testing.T) {
	testclaude.Each(t, func(t *testing.T, version string) {
		r := newRig(t, version, "go", event.Spec{},
			model.ToolUse("Bash", map[string]any{"command": "python3 -c 'print(1)'", "description": "reckon"}), model.Text("fine"))
		r.Start()
		asked := r.Record("a request opens", func(rec event.Record) bool { return rec.State == event.RecordWaiting })
		r.Until("the dialog is on the screen", func() bool { return strings.Contains(r.Screen(), "python3") && strings.Contains(r.Screen(), "Yes") })
		r.Tmux("send-keys", "-t", "g1", "Escape")
		r.Until("the agent says it is idle", func() bool {
			recs := r.Source("claude.session")
			return len(recs) == 1 && recs[0].State == event.RecordIdle && recs[0].Time.After(asked.Time)
		})
		r.Say("m1", "another way")
		r.Record("the message arrives", func(rec event.Record) bool { return rec.Message == "m1" && rec.Prompted })
		r.idle(1)
		r.Until("no hook holds the request any more", func() bool {
			return !slices.ContainsFunc(r.Marked(), func(pid int) bool { return strings.Contains(proc.Arguments(pid), "PermissionRequest") })
		})
	})
}

func TestClaudeWorkInTheBackgroundIsTold(t *testing.T) {
	testclaude.Each(t, func(t *testing.T, version string) {
		r := newRig(t, version, "go", event.Spec{Checks: []event.Check{{Name: "slow", Run: "sleep 5"}}},
			model.ToolUse("Bash", map[string]any{"command": "sleep 5", "run_in_background": true, "description": "wait"}),
			model.Text("started"), model.Text("noticed"))
		r.Start()
		r.idle(2)
		var ends []event.Record
		for _, rec := range r.Records() {
			if isIdle(rec) {
				ends = append(ends, rec)
			}
		}
		if !ends[0].Background || ends[1].Background || ends[1].Note != "noticed" {
			t.Errorf("the turns ended as %+v", ends)
		}
	})
}
