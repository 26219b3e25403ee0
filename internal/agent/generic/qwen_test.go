package generic_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/agent"
	"muster/internal/agent/agenttest"
	"muster/internal/agent/generic"
	"muster/internal/event"
	"muster/internal/fault"
	"muster/internal/mail"
	"muster/internal/proof/prooftest"
	"muster/internal/testkit/files"
)

// The payloads and lines below are those of version 0.24.4, shortened. The program knows the conversation by the id session.

const qwenConversation = "0cb916db-26aa-80f2-86b5-1ba81b225fd2"

func newQwen(t testing.TB) agent.Launch {
	t.Helper()
	l := agenttest.NewLaunch(t, "qwen")
	files.Script(t, agenttest.Root(l), "qwen", "true")
	l.Conversation, l.Preamble = qwenConversation, "You work unattended.\n"
	return l
}

func qwenRecord(l agent.Launch) string {
	return filepath.Join(agenttest.Root(l), ".qwen", "projects", "-w", "chats", session+".jsonl")
}

// qwenCall returns a call of a hook. more are further fields of the payload.
func qwenCall(word, transcript, more string) agenttest.Call {
	return agenttest.Call{Event: word, Payload: fmt.Sprintf(`{"session_id":%q,"transcript_path":%q,"cwd":"/w","hook_event_name":%q,`+
		`"timestamp":"2026-11-27T23:38:49.227Z","permission_mode":"default"%s}`, session, transcript, word, more)}
}

// recordLine appends a line to the agent's record.
func recordLine(t *testing.T, l agent.Launch, kind string, more map[string]any) {
	t.Helper()
	line := map[string]any{
		"uuid": "40f9e58a-8765-40b9-96d1-e2616bb4a16c", "sessionId": session, "timestamp": "2026-11-27T23:37:05.588Z", "type": kind, "cwd": "/w", "version": "0.24.4",
	}
	for k, v := range more {
		line[k] = v
	}
	b, err := json.Marshal(line)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(qwenRecord(l)), 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(qwenRecord(l), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // the error of the write counts
	if _, err := f.Write(append(b, '\n')); err != nil {
		t.Fatal(err)
	}
}

func said(text string) map[string]any {
	return map[string]any{"message": map[string]any{"role": "user", "parts": []any{map[string]any{"text": text}}}}
}

func qwenSubject() agenttest.Subject {
	a := generic.Preset("qwen")
	call := func(word, more string) agenttest.Call {
		return qwenCall(word, "/h/.qwen/projects/-w/chats/x.jsonl", more)
	}
	shell := `,"tool_name":"run_shell_command","tool_input":{"command":"echo one > one.txt","description":"run it","is_background":false}`
	use := shell + `,"tool_use_id":"toolu_1795822729621_ytp01bxe0","tool_call_id":"call_000001"`
	notice := func(kind string) agenttest.Call {
		return call("Notification", `,"message":"Qwen Code is waiting for your input","notification_type":"`+kind+`","title":"Waiting for input"`)
	}
	failure := func(kind, details string) agenttest.Call {
		return call("StopFailure", `,"error":"`+kind+`","error_details":"`+details+`","last_assistant_message":"[API Error: `+details+`]"`)
	}
	return agenttest.Subject{
		Adapter: a,
		Launch: func(t *testing.T) agent.Launch {
			t.Helper()
			return newQwen(t)
		},
		Session: func(agent.Launch) string { return session },
		Scenes: []agenttest.Scene{
			{Name: "a turn", Want: []event.RecordState{working, working, working, working, working, idle, idle}, Calls: []agenttest.Call{
				call("SessionStart", `,"source":"startup","model":"qwen3-coder-plus"`),
				call("UserPromptSubmit", `,"prompt":"Task t1 (muster):\n\nSay hello.","submitted_prompt":"Task t1 (muster):\n\nSay hello."`),
				call("PreToolUse", use),
				call("PostToolUse", use+`,"tool_response":{"llmContent":"Exit Code: 0","returnDisplay":""},"duration_ms":669`),
				call("UserPromptSubmit", `,"prompt":""`),
				call("Stop", `,"stop_hook_active":false,"last_assistant_message":"all done","background_tasks":[],"crons":[]`),
				notice("idle_prompt"),
			}},
			{Name: "a permission", Want: []event.RecordState{waiting}, Calls: []agenttest.Call{call("PermissionRequest", shell)}},
			{Name: "its dialog", Want: []event.RecordState{waiting}, Calls: []agenttest.Call{notice("permission_prompt")}},
			{Name: "another notification", Calls: []agenttest.Call{notice("auth_success")}},
			{Name: "a tool that fails", Want: []event.RecordState{working}, Calls: []agenttest.Call{
				call("PostToolUseFailure", use+`,"error":"Exit Code: 3","is_interrupt":false,"duration_ms":161`),
			}},
			{Name: "errors", Want: []event.RecordState{failed, failed, failed}, Calls: []agenttest.Call{
				failure("authentication_failed", "401 scripted"), failure("invalid_request", "400 scripted"), failure("rate_limit", "429 scripted"),
			}},
			{Name: "an interrupt", Want: []event.RecordState{idle}, Calls: []agenttest.Call{notice("idle_prompt")}},
			{Name: "the end", Want: []event.RecordState{event.RecordExited}, Calls: []agenttest.Call{call("SessionEnd", `,"reason":"prompt_input_exit"`)}},
		},
		Book: &agenttest.Book{
			Open: func(t *testing.T, l agent.Launch) {
				t.Helper()
				write(t, a, l)
				c := qwenCall("SessionStart", qwenRecord(l), `,"source":"startup"`)
				hook(t, a, l, c.Event, c.Payload)
			},
			Take: func(t *testing.T, l agent.Launch, prompt string) {
				t.Helper()
				recordLine(t, l, "user", said(prompt))
			},
			Quote: func(t *testing.T, l agent.Launch, text string) {
				t.Helper()
				recordLine(t, l, "tool_result", said(text))
				file := said("look at @notes.txt")
				message, _ := file["message"].(map[string]any)
				message["parts"] = []any{map[string]any{"text": "look at @notes.txt"}, map[string]any{"text": "\nContent from notes.txt:\n"}, map[string]any{"text": text}}
				recordLine(t, l, "user", file)
			},
		},
	}
}

func TestQwenConforms(t *testing.T) {
	t.Parallel()
	agenttest.Run(t, qwenSubject())
}

func FuzzQwenHook(f *testing.F) { agenttest.FuzzHook(f, qwenSubject()) }

func TestQwenTellsErrorsInterruptsAndUsage(t *testing.T) {
	t.Parallel()
	s, l := qwenSubject(), newQwen(t)
	a := s.Adapter
	s.Book.Open(t, l)
	fail := func(kind string) {
		c := qwenCall("StopFailure", qwenRecord(l), `,"error":"`+kind+`","error_details":"why"`)
		hook(t, a, l, c.Event, c.Payload)
	}
	kinds := map[string]event.ErrorKind{
		"rate_limit": event.ErrorRateLimit, "authentication_failed": event.ErrorAuth, "billing_error": event.ErrorBilling, "invalid_request": event.ErrorInvalidRequest,
		"server_error": event.ErrorOverloaded, "max_output_tokens": event.ErrorOther, "loop_detected": event.ErrorOther, "unknown": event.ErrorOther,
	}
	for kind, want := range kinds {
		fail(kind)
		b, err := os.ReadFile(l.Home.StatusFile(l.Task, l.Gen))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		var got event.Record
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &got); err != nil || got.Error != want || got.Note != "why" || got.SessionID != qwenConversation {
			t.Errorf("%s is %+v (%v), want %s", kind, got, err, want)
		}
	}
	c := qwenCall("Notification", qwenRecord(l), `,"notification_type":"idle_prompt"`)
	hook(t, a, l, c.Event, c.Payload)
	b, err := os.ReadFile(l.Home.StatusFile(l.Task, l.Gen))
	if err != nil || !strings.Contains(string(b), `"interrupted":true`) {
		t.Errorf("a turn that was broken off is no state without an end: %s (%v)", b, err)
	}

	recordLine(t, l, "user", said("say hello"))
	sources := a.Sources(l, 1)
	if len(sources) != 1 || sources[0].Path != qwenRecord(l) {
		t.Fatalf("the sources are %+v", sources)
	}
	use := `{"uuid":"00c2f823-24e6-48f0-8cb6-b952f900065f","sessionId":"` + session + `","timestamp":"2026-11-27T23:37:06.596Z","type":"assistant","model":"qwen3-coder-plus",` +
		`"message":{"role":"model","parts":[{"text":"ok"}]},"usageMetadata":{"promptTokenCount":103,"candidatesTokenCount":7,"thoughtsTokenCount":0,"totalTokenCount":110,"cachedContentTokenCount":3}}`
	for range 2 { // a line that is read again counts once
		recs, err := sources[0].Parse([]byte(use))
		if err != nil || len(recs) != 1 {
			t.Fatalf("%+v, %v", recs, err)
		}
		if u := recs[0].Usage; u == nil || u.InputTokens != 100 || u.OutputTokens != 7 || u.CacheReadTokens != 3 || u.Turns != 1 || u.Model != "qwen3-coder-plus" {
			t.Errorf("the usage is %+v", u)
		}
	}
}

// TestQwenIsAskedOnceAboutWhatARuleAsks checks that what a person allowed at the program's own request is not asked again ahead of the
// tool, and that nothing else is allowed by that.
func TestQwenIsAskedOnceAboutWhatARuleAsks(t *testing.T) {
	t.Parallel()
	l := newQwen(t)
	a := generic.Preset("qwen")
	write(t, a, l)
	for _, f := range agent.RuleFiles([]event.PermissionRule{{Tool: "run", Action: event.PermissionAsk}}) {
		if err := os.WriteFile(filepath.Join(l.Dirs().RO(), f.Path), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	input := func(command string) string { return `{"command":"` + command + `","description":"as it says"}` }
	// answered calls a hook about a command, allows what it asks, and returns what it prints and whether it asked.
	answered := func(word, command string) (string, bool) {
		t.Helper()
		c := qwenCall(word, qwenRecord(l), `,"tool_name":"run_shell_command","tool_input":`+input(command))
		out := make(chan string, 1)
		go func() { out <- hook(t, a, l, c.Event, c.Payload) }()
		for {
			open, _ := filepath.Glob(filepath.Join(l.Dirs().RW(), "asked", "*"))
			for _, f := range open {
				var rec event.Record
				if b, err := os.ReadFile(f); err == nil && json.Unmarshal(b, &rec) == nil && rec.Request != "" {
					answer := mail.Answer{Request: rec.Request, Decision: mail.Allow, Gen: 1, Hash: event.NewAsk("run_shell_command", []byte(input(command))).Hash}
					prooftest.Intend(t, l.Home, l.Task, 1, answer)
					if err := l.Box().Answer(answer); err != nil {
						t.Fatal(err)
					}
					return <-out, true
				}
			}
			select {
			case text := <-out:
				return text, false
			default:
			}
		}
	}
	const allowed = `{"hookSpecificOutput":{"hookEventName":"PermissionRequest","decision":{"behavior":"allow"}}}` + "\n"
	if out, asked := answered("PermissionRequest", "touch x"); out != allowed || !asked {
		t.Errorf("the program's own request: %q, asked %v", out, asked)
	}
	if out, asked := answered("PreToolUse", "touch x"); out != "" || asked {
		t.Errorf("ahead of the tool: %q, asked again %v", out, asked)
	}
	if _, asked := answered("PreToolUse", "touch x"); !asked {
		t.Error("the same once more was not asked about")
	}
	answered("PermissionRequest", "touch x")
	if _, asked := answered("PreToolUse", "rm -rf x"); !asked {
		t.Error("another command was not asked about")
	}
}

func TestQwenIsStartedWithItsHooksAndWithoutDialogs(t *testing.T) {
	t.Parallel()
	l := newQwen(t)
	a := generic.Preset("qwen")
	p := agenttest.Plan(t, a, l)
	if line := strings.Join(p.Argv[1:], " "); !strings.HasPrefix(line, "--session-id="+session+" -i Task t3 (muster):") {
		t.Errorf("it is started by %q", line)
	}
	settings := filepath.Join(l.Dirs().RO(), "settings.json")
	if !strings.Contains(strings.Join(p.Env, "\n"), "QWEN_CODE_SYSTEM_DEFAULTS_PATH="+settings) {
		t.Errorf("the variables are %q", p.Env)
	}
	for _, f := range p.Files {
		if f.Path == "settings.json" && !json.Valid(f.Data) {
			t.Errorf("its settings are no JSON: %s", f.Data)
		}
	}
	check := agent.Preflight{Spec: l.Spec, Env: l.Env, Home: l.Home}
	for _, arg := range []string{"--resume=x", "--acp", "-p", "--safe-mode"} {
		check.Spec.Args = []string{arg}
		if err := a.Check(t.Context(), check); !fault.Is(err, fault.Usage) {
			t.Errorf("%s: %v", arg, err)
		}
	}
	if typed := a.Typed(mail.Message{ID: "m1", Text: `it ends with \`}); len(typed) != 1 || typed[0] != `[muster m1] it ends with \ ` {
		t.Errorf("a backslash would take Enter: %q", typed)
	}
}
