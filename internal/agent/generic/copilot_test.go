package generic_test

import (
	"encoding/json"
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

// The payloads and lines below are those of version 1.0.102, shortened.

const session = "0cb916db-26aa-40f2-86b5-1ba81b225fd2"

func newCopilot(t testing.TB) agent.Launch {
	t.Helper()
	l := agenttest.NewLaunch(t, "copilot")
	files.Script(t, agenttest.Root(l), "copilot", "true")
	l.Conversation, l.Preamble = session, "You work unattended.\n"
	dir := filepath.Join(agenttest.Root(l), ".copilot")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	config, _ := json.Marshal(map[string]any{"trustedFolders": []string{l.Spec.Repo}})
	config = append([]byte("// User settings belong in settings.json.\n"), config...)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	return l
}

func eventsFile(l agent.Launch) string {
	return filepath.Join(agenttest.Root(l), ".copilot", "session-state", session, "events.jsonl")
}

// tell appends a line to the agent's record.
func tell(t *testing.T, l agent.Launch, kind string, data map[string]any) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(eventsFile(l)), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(eventsFile(l), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // the encoder's error counts
	if err := json.NewEncoder(f).Encode(map[string]any{"type": kind, "data": data, "timestamp": "2026-11-27T04:26:49.877Z"}); err != nil {
		t.Fatal(err)
	}
}

func copilotSubject() agenttest.Subject {
	call := func(word, more string) agenttest.Call {
		return agenttest.Call{Event: word, Payload: `{"sessionId":"` + session + `","timestamp":1795753607427,"cwd":"/w"` + more + `}`}
	}
	bash := `,"toolName":"bash","toolArgs":{"command":"echo one > one.txt","description":"run it"}`
	done := bash + `,"toolResult":{"resultType":"success","textResultForLlm":"<shellId: 0 completed with exit code 0>"}`
	return agenttest.Subject{
		Adapter: generic.Preset("copilot"),
		Launch: func(t *testing.T) agent.Launch {
			t.Helper()
			return newCopilot(t)
		},
		Scenes: []agenttest.Scene{
			{Name: "a turn", Want: []event.RecordState{working, working, working, working, idle}, Calls: []agenttest.Call{
				call("sessionStart", `,"source":"new","initialPrompt":"Task t1 (muster):\n\nSay hello."`),
				call("userPromptSubmitted", `,"prompt":"Task t1 (muster):\n\nSay hello."`),
				call("preToolUse", bash), call("postToolUse", done),
				call("agentStop", `,"transcriptPath":"/h/.copilot/session-state/x/events.jsonl","stopReason":"end_turn","stop_hook_active":false`),
			}},
			{Name: "a permission", Want: []event.RecordState{waiting}, Calls: []agenttest.Call{
				call("permissionRequest", `,"hookName":"permissionRequest","toolName":"bash","toolInput":{"command":"echo one > one.txt"},"permissionSuggestions":[]`),
			}},
			{Name: "its dialog", Want: []event.RecordState{waiting}, Calls: []agenttest.Call{
				call("notification", `,"message":"Run command: echo one > one.txt","title":"Permission needed","hook_event_name":"Notification","notification_type":"permission_prompt"`),
			}},
			{Name: "another notification", Calls: []agenttest.Call{call("notification", `,"notification_type":"agent_idle"`)}},
			{Name: "an error that is tried again", Want: []event.RecordState{working}, Calls: []agenttest.Call{
				call("errorOccurred", `,"errorContext":"model_call","recoverable":true,"error":{"message":"{\"code\":\"invalid_api_key\"}","name":"Error","stack":"Error"}`),
			}},
			{Name: "the end", Want: []event.RecordState{event.RecordExited}, Calls: []agenttest.Call{call("sessionEnd", `,"reason":"user_exit"`)}},
		},
		Book: &agenttest.Book{
			Open: func(t *testing.T, l agent.Launch) {
				t.Helper()
				tell(t, l, "session.start", map[string]any{"sessionId": session, "version": 1})
			},
			Take: func(t *testing.T, l agent.Launch, prompt string) {
				t.Helper()
				tell(t, l, "user.message", map[string]any{"content": prompt, "delivery": "idle"})
			},
			Quote: func(t *testing.T, l agent.Launch, text string) {
				t.Helper()
				tell(t, l, "tool.execution_complete", map[string]any{"content": text})
			},
		},
	}
}

func TestCopilotConforms(t *testing.T) {
	t.Parallel()
	agenttest.Run(t, copilotSubject())
}

func FuzzCopilotHook(f *testing.F) { agenttest.FuzzHook(f, copilotSubject()) }

func TestCopilotWithoutTrustIsRefused(t *testing.T) {
	t.Parallel()
	l := newCopilot(t)
	a := generic.Preset("copilot")
	p := agent.Preflight{Spec: l.Spec, Env: l.Env, Home: l.Home}
	p.Spec.Repo = t.TempDir()
	err := a.Check(t.Context(), p)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "trust") || !strings.Contains(fault.HintOf(err), p.Spec.Repo) {
		t.Errorf("got %v (%s)", err, fault.HintOf(err))
	}
	p.Spec.Repo, p.Spec.Args = l.Spec.Repo, []string{"--resume=x"}
	if err := a.Check(t.Context(), p); !fault.Is(err, fault.Usage) {
		t.Errorf("an argument that breaks the launch: %v", err)
	}
}

func TestCopilotTellsErrorsAndUsageInItsRecord(t *testing.T) {
	t.Parallel()
	l := newCopilot(t)
	a := generic.Preset("copilot")
	sources := a.Sources(l, 1)
	if len(sources) != 1 || sources[0].Path != eventsFile(l) {
		t.Fatalf("the sources are %+v", sources)
	}
	tell(t, l, "session.start", nil)
	line := func(text string) event.Record {
		t.Helper()
		recs, err := sources[0].Parse([]byte(text))
		if err != nil || len(recs) != 1 {
			t.Fatalf("%s: %+v, %v", text, recs, err)
		}
		return recs[0]
	}
	got := line(`{"type":"session.error","data":{"errorType":"authentication","message":"Authentication failed","statusCode":401},"timestamp":"2026-11-27T04:28:31.637Z"}`)
	if got.State != failed || got.Error != event.ErrorAuth || got.Note != "Authentication failed" || got.SessionID != session {
		t.Errorf("401 is %+v", got)
	}
	got = line(`{"type":"session.error","data":{"errorType":"query","message":"400 scripted","statusCode":400},"timestamp":"2026-11-27T04:28:21.109Z"}`)
	if got.Error != event.ErrorInvalidRequest {
		t.Errorf("400 is %+v", got)
	}
	got = line(`{"type":"abort","data":{"reason":"user_initiated"},"timestamp":"2026-11-27T04:31:53.060Z"}`)
	if got.State != idle || !got.Interrupted {
		t.Errorf("an interrupt is %+v", got)
	}
	use := `{"type":"session.usage_record","data":{"usage":{"model":"gpt-4.1","inputTokens":103,"outputTokens":7,"cacheReadTokens":3,"cacheWriteTokens":0,"accounting":{"sequence":1,"usageId":"chatcmpl-000001"}}},"timestamp":"2026-11-27T04:26:50.803Z"}`
	for range 2 { // a line that is read again counts once
		got = line(use)
		if u := got.Usage; u == nil || u.InputTokens != 100 || u.OutputTokens != 7 || u.CacheReadTokens != 3 || u.Turns != 1 || u.Model != "gpt-4.1" {
			t.Errorf("the usage is %+v", u)
		}
	}
}

// TestCopilotIsAskedOnceAboutWhatARuleAsks checks that what a person allowed before a tool is not asked again when the program wants its own
// permission, and that nothing else is allowed by that.
func TestCopilotIsAskedOnceAboutWhatARuleAsks(t *testing.T) {
	t.Parallel()
	l := newCopilot(t)
	a := generic.Preset("copilot")
	write(t, a, l)
	for _, f := range agent.RuleFiles([]event.PermissionRule{{Tool: "run", Action: event.PermissionAsk}}) {
		if err := os.WriteFile(filepath.Join(l.Dirs().RO(), f.Path), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := func(command string) string {
		return `{"sessionId":"` + session + `","toolName":"bash","toolArgs":{"command":"` + command + `","description":"as it says"}}`
	}
	own := func(command string) string {
		return `{"sessionId":"` + session + `","hookName":"permissionRequest","toolName":"bash","toolInput":{"command":"` + command + `"}}`
	}
	// answered calls a hook, and answers what it asks.
	answered := func(word, payload string, ask event.Ask) string {
		t.Helper()
		files, _ := filepath.Glob(filepath.Join(l.Dirs().RW(), "asked", "*"))
		if len(files) > 0 {
			t.Fatalf("still open: %v", files)
		}
		said := make(chan string, 1)
		go func() { said <- hook(t, a, l, word, payload) }()
		for {
			files, _ := filepath.Glob(filepath.Join(l.Dirs().RW(), "asked", "*"))
			for _, f := range files {
				var rec event.Record
				if b, err := os.ReadFile(f); err == nil && json.Unmarshal(b, &rec) == nil && rec.Request != "" {
					answer := mail.Answer{Request: rec.Request, Decision: mail.Allow, Gen: 1, Hash: ask.Hash}
					prooftest.Intend(t, l.Home, l.Task, 1, answer)
					if err := l.Box().Answer(answer); err != nil {
						t.Fatal(err)
					}
					return <-said
				}
			}
			select {
			case out := <-said:
				return out + " (nobody was asked)"
			default:
			}
		}
	}
	first := event.NewAsk("bash", []byte(`{"command":"touch x","description":"as it says"}`))
	if out := answered("preToolUse", before("touch x"), first); out != "" {
		t.Errorf("what a person allowed is answered by %q before the tool", out)
	}
	if out := answered("permissionRequest", own("touch x"), event.NewAsk("bash", []byte(`{"command":"touch x"}`))); out != "{\"behavior\":\"allow\"}\n (nobody was asked)" {
		t.Errorf("the program's own request is answered by %q", out)
	}
	other := event.NewAsk("bash", []byte(`{"command":"touch x"}`))
	if out := answered("permissionRequest", own("touch x"), other); strings.Contains(out, "nobody") {
		t.Errorf("the same once more is answered by %q", out)
	}
	// A note that the agent has written itself about another command.
	answered("preToolUse", before("touch x"), first)
	noted, err := filepath.Glob(filepath.Join(l.Dirs().RW(), "asked-*"))
	if err != nil || len(noted) != 1 {
		t.Fatalf("noted %v, %v", noted, err)
	}
	forged := "asked-" + event.NewAsk("bash", []byte(`{"command":"rm -rf x"}`)).Hash
	if err := os.Rename(noted[0], filepath.Join(l.Dirs().RW(), forged)); err != nil {
		t.Fatal(err)
	}
	if out := answered("permissionRequest", own("rm -rf x"), event.NewAsk("bash", []byte(`{"command":"rm -rf x"}`))); strings.Contains(out, "nobody") {
		t.Errorf("another command is answered by %q", out)
	}
}
