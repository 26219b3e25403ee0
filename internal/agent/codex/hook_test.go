package codex

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/proof/prooftest"
	"muster/internal/status"
)

// hookRig is a generation whose hooks are called.
type hookRig struct {
	t       *testing.T
	l       agent.Launch
	timeout time.Duration // of a call
}

func newHookRig(t *testing.T, planned thread) hookRig {
	t.Helper()
	l := setUpLaunch(t)
	if err := l.Home.Create(); err != nil {
		t.Fatal(err)
	}
	if err := l.Box().Create(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(l.Dirs().RO(), threadName), planned.encode())
	return hookRig{t: t, l: l, timeout: time.Minute}
}

// call calls a hook and returns what it writes to the agent, and the last record.
func (r hookRig) call(name, payload string) (string, event.Record) {
	r.t.Helper()
	file := r.l.Home.StatusFile(r.l.Task, r.l.Gen)
	env := map[string]string{"MUSTER_HOME": string(r.l.Home), "MUSTER_TASK": "t3", "MUSTER_GEN": "1", "MUSTER_STATUS_FILE": file, "MUSTER_WORKTREE": r.l.Worktree}
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(r.t.Context(), r.timeout)
	defer cancel()
	code := New().Hook(ctx, agent.HookCall{
		Event: name, Stdin: strings.NewReader(payload), Stdout: &out, PPID: os.Getpid(), Getenv: func(name string) string { return env[name] },
	})
	if code != 0 {
		r.t.Errorf("%s returns %d", name, code)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	rec, err := status.Parse(lines[len(lines)-1])
	if err != nil {
		r.t.Fatal(err)
	}
	return out.String(), rec
}

func TestAnotherConversationDoesNotSpeakForThisOne(t *testing.T) {
	t.Parallel()
	const other = "01a21a7e-4748-7ac0-b119-1aa5c58513bb"
	start := func(id string) string {
		return `{"session_id":"` + id + `","source":"startup","transcript_path":"/x/rollout-` + id + `.jsonl"}`
	}
	for name, planned := range map[string]thread{
		"a first start": {Conversation: conversation},
		"a resume":      {Conversation: conversation, ID: testThread},
	} {
		r := newHookRig(t, planned)
		if planned.ID != "" {
			if _, rec := r.call("SessionStart", start(other)); rec.SessionID != other {
				t.Errorf("%s: another conversation speaks first as %q", name, rec.SessionID)
			}
		}
		if _, rec := r.call("SessionStart", start(testThread)); rec.SessionID != conversation {
			t.Errorf("%s: the task's own conversation speaks as %q", name, rec.SessionID)
		}
		for _, hook := range []string{"SessionStart", "UserPromptSubmit", "Stop"} {
			if _, rec := r.call(hook, start(other)); rec.SessionID != other {
				t.Errorf("%s: %s of another conversation speaks as %q", name, hook, rec.SessionID)
			}
		}
		if _, rec := r.call("Stop", start(testThread)); rec.SessionID != conversation || rec.State != event.RecordIdle {
			t.Errorf("%s: then the own one speaks as %+v", name, rec)
		}
	}
}

func TestOnlyARolloutOfTheThreadIsFollowed(t *testing.T) {
	t.Parallel()
	l := setUpLaunch(t)
	if got := New().Sources(l, 1); len(got) != 0 {
		t.Errorf("before the first hook: %+v", got)
	}
	subject().Book.Open(t, l)
	if got := New().Sources(l, 1); len(got) != 1 || got[0].Path != rolloutFile(l) {
		t.Errorf("sources %+v, want the rollout", got)
	}
	for _, path := range []string{"/etc/passwd", "", "rollout-x", filepath.Join(l.Worktree, "rollout-1-"+testThread+".jsonl")} {
		write(t, filepath.Join(l.Dirs().RW(), threadName), thread{ID: testThread, Rollout: path}.encode())
		if got := New().Sources(l, 1); len(got) != 1 || got[0].Path != rolloutFile(l) {
			t.Errorf("%q leads to %+v", path, got)
		}
	}
	write(t, filepath.Join(l.Dirs().RW(), threadName), []byte(`{"id":"../../x","rollout":"/etc/passwd"}`))
	if got := New().Sources(l, 1); len(got) != 0 {
		t.Errorf("an id that is none leads to %+v", got)
	}
}

func TestHookRefusesTheStash(t *testing.T) {
	t.Parallel()
	r := newHookRig(t, thread{Conversation: conversation})
	out, rec := r.call("PreToolUse", `{"tool_name":"Bash","tool_use_id":"c","tool_input":{"command":"git stash pop"}}`)
	if !strings.Contains(out, `"permissionDecision":"deny"`) || rec.Tool != "" {
		t.Errorf("it answers %s and writes %+v", out, rec)
	}
	if out, rec := r.call("PreToolUse", `{"tool_name":"Bash","tool_use_id":"c","tool_input":{"command":"git stash list"}}`); out != "" || rec.Tool != "Bash" {
		t.Errorf("it answers %s and writes %+v", out, rec)
	}
}

func TestRolloutWithoutItsThreadIsRejected(t *testing.T) {
	t.Parallel()
	p := newRollout(agent.Launch{Conversation: conversation}, thread{ID: testThread}, time.Time{})
	if _, err := p.parse([]byte(`{"timestamp":"2026-11-27T00:49:36Z","type":"session_meta","payload":{"id":"` + conversation + `"}}`)); err == nil {
		t.Error("the file of another thread is read")
	}
	if _, err := p.parse([]byte(`{"timestamp":"2026-11-27T00:49:36Z","type":"session_meta","payload":{"id":"` + testThread + `"}}`)); err != nil {
		t.Error(err)
	}
	// Sub-agents and forks leave counts of other threads.
	usage := func(thread, response string) string {
		return `{"timestamp":"2026-11-27T00:49:36Z","type":"token_usage_record","payload":{"thread_id":"` + thread + `","response_id":"` + response +
			`","usage":{"input_tokens":50,"cached_input_tokens":30,"cache_write_input_tokens":5,"output_tokens":7}}}`
	}
	turn := `{"timestamp":"2026-11-27T00:49:35Z","type":"turn_context","payload":{"model":"gpt-5.5"}}`
	for _, line := range []string{turn, usage(conversation, "r1"), usage(testThread, "r1"), usage(testThread, "r1"), usage(testThread, "r2")} {
		if _, err := p.parse([]byte(line)); err != nil {
			t.Error(err)
		}
	}
	if want := (event.Usage{InputTokens: 30, OutputTokens: 14, CacheReadTokens: 60, CacheWriteTokens: 10, CostUSD: (30*5 + 14*30 + 60*0.5 + 10*5) / 1e6, Turns: 2, Model: "gpt-5.5"}); p.usage.Sum() != want {
		t.Errorf("usage %+v, want %+v", p.usage.Sum(), want)
	}
}

func TestUseDescribesToolsForRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tool, input string
		want        event.ToolUse
	}{
		{"Bash", `{"command":"git push","description":"d"}`, event.ToolUse{Class: event.ToolRun, Command: "git push"}},
		{
			"apply_patch", `{"command":"*** Begin Patch\n*** Update File: a b.go\n*** Move to: ../c.go\n@@\n-x\n+*** Add File: no\n*** Delete File: d.go\n*** End Patch"}`,
			event.ToolUse{Class: event.ToolEdit, Paths: []string{"a b.go", "../c.go", "d.go"}},
		},
		{"mcp__github__issue", `{}`, event.ToolUse{Class: event.ToolMCP, Names: []string{"mcp:github/issue"}}},
		{"something", `[`, event.ToolUse{Class: event.ToolOther}},
	} {
		if diff := cmp.Diff(c.want, New().(agent.Describer).Use(c.tool, []byte(c.input))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.tool, diff)
		}
	}
}

func TestHookAsksAboutWhatARuleDoesNotAllow(t *testing.T) {
	t.Parallel()
	r := newHookRig(t, thread{Conversation: conversation})
	for _, f := range agent.RuleFiles([]event.PermissionRule{{Tool: "run", Command: "git push*", Action: event.PermissionDeny}}) {
		write(t, filepath.Join(r.l.Dirs().RO(), f.Path), f.Data)
	}
	r.timeout = 50 * time.Millisecond // nobody answers
	if _, rec := r.call("PreToolUse", `{"tool_name":"Bash","tool_use_id":"c","tool_input":{"command":"ls && git push"}}`); rec.State != event.RecordWaiting || rec.Request == "" {
		t.Errorf("what a rule denies begins as %+v", rec)
	}
	agent.Asked{Files: r.l.Dirs()}.CloseAll()
	if _, rec := r.call("PreToolUse", `{"tool_name":"Bash","tool_use_id":"c","tool_input":{"command":"ls"}}`); rec.State != event.RecordWorking || rec.Tool != "Bash" {
		t.Errorf("what no rule denies begins as %+v", rec)
	}
}

func TestWhatAPersonAllowedBeforeAToolIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	r := newHookRig(t, thread{Conversation: conversation})
	for _, f := range agent.RuleFiles([]event.PermissionRule{{Tool: "run", Action: event.PermissionAsk}}) {
		write(t, filepath.Join(r.l.Dirs().RO(), f.Path), f.Data)
	}
	const use = `{"tool_name":"Bash","tool_use_id":"c","tool_input":{"command":"touch x"}}`
	const request = `{"tool_name":"Bash","tool_input":{"command":"touch x","description":"it must be"}}`
	answers := func(decision string) {
		t.Helper()
		asked := make(chan string, 1)
		go func() { // a person
			for {
				files, _ := filepath.Glob(filepath.Join(r.l.Dirs().RW(), "asked", "*"))
				for _, f := range files {
					var rec event.Record
					if b, err := os.ReadFile(f); err == nil && json.Unmarshal(b, &rec) == nil && rec.Request != "" {
						asked <- rec.Request
						return
					}
				}
				time.Sleep(time.Millisecond)
			}
		}()
		done := make(chan struct{})
		go func() { defer close(done); r.call("PreToolUse", use) }()
		ask := event.NewAsk("Bash", []byte(`{"command":"touch x"}`))
		a := mail.Answer{Request: <-asked, Decision: decision, Gen: 1, Hash: ask.Hash}
		prooftest.Intend(t, r.l.Home, "t3", 1, a)
		if err := r.l.Box().Answer(a); err != nil {
			t.Fatal(err)
		}
		<-done
	}
	answers(mail.Allow)
	if out, _ := r.call("PermissionRequest", request); !strings.Contains(out, `"behavior":"allow"`) {
		t.Errorf("what was allowed is answered by %q", out)
	}
	r.timeout = 50 * time.Millisecond // nobody answers
	if out, rec := r.call("PermissionRequest", request); out != "" || rec.State != event.RecordWaiting {
		t.Errorf("the same once more is answered by %q, and the record is %+v", out, rec)
	}
	agent.Asked{Files: r.l.Dirs()}.CloseAll()
	write(t, filepath.Join(r.l.Dirs().RW(), "asked-"+event.NewAsk("Bash", []byte(`{"command":"touch x"}`)).Hash), []byte(`{"request":"q-forged"}`))
	if out, rec := r.call("PermissionRequest", request); out != "" || rec.State != event.RecordWaiting {
		t.Errorf("a forged note is answered by %q, and the record is %+v", out, rec)
	}
}
