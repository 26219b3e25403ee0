package codex

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"muster/internal/agent"
	"muster/internal/agent/agenttest"
	"muster/internal/event"
	"muster/internal/testkit/files"
)

const (
	working = event.RecordWorking
	waiting = event.RecordWaiting
	idle    = event.RecordIdle
	// conversation is the conversation of the test's launch, and testThread the agent's own id of it.
	conversation = "0f9a7c5e-52a5-4a8b-9d0e-6a6d2c1b3e4f"
	testThread   = "01a21a7a-a5c8-75f2-be80-c3ac0b54f46b"
)

// subject describes Codex CLI to the conformance suite. The payloads are those of version 0.171.0, shortened.
func subject() agenttest.Subject {
	const session = `"session_id":"` + testThread + `","cwd":"/w","model":"gpt-5.5","permission_mode":"default"`
	return agenttest.Subject{
		Adapter: New(),
		Launch:  setUpLaunch,
		Session: func(agent.Launch) string { return testThread },
		Scenes: []agenttest.Scene{
			{Name: "a turn", Calls: []agenttest.Call{
				{Event: "SessionStart", Payload: `{` + session + `,"hook_event_name":"SessionStart","source":"startup"}`},
				{Event: "UserPromptSubmit", Payload: `{` + session + `,"turn_id":"u","prompt":"Task t1 (muster):\n\ndo it"}`},
				{Event: "PreToolUse", Payload: `{` + session + `,"tool_name":"Bash","tool_use_id":"c1","tool_input":{"command":"ls"}}`},
				{Event: "PostToolUse", Payload: `{` + session + `,"tool_name":"Bash","tool_use_id":"c1","tool_input":{"command":"ls"},"tool_response":"a\n"}`},
				{Event: "Stop", Payload: `{` + session + `,"stop_hook_active":false,"last_assistant_message":"done"}`},
			}, Want: []event.RecordState{working, working, working, working, idle}},
			{Name: "a permission", Calls: []agenttest.Call{
				{Event: "PermissionRequest", Payload: `{` + session + `,"tool_name":"Bash","tool_input":{"command":"rm x","description":"need it"}}`},
			}, Want: []event.RecordState{waiting}},
			{Name: "an interrupt", Calls: []agenttest.Call{
				{Event: "PreToolUse", Payload: `{` + session + `,"tool_name":"Bash","tool_use_id":"c1","tool_input":{"command":"ls"}}`},
				{Event: "Interrupt", Payload: `{` + session + `,"turn_id":"u"}`},
			}, Want: []event.RecordState{working, idle}},
			{Name: "a compaction", Calls: []agenttest.Call{
				{Event: "PreCompact", Payload: `{"trigger":"auto"}`}, {Event: "PostCompact", Payload: `{"trigger":"auto"}`}, {Event: "PostCompact", Payload: `{"trigger":"manual"}`},
			}, Want: []event.RecordState{working, working, idle}},
			{Name: "the end", Calls: []agenttest.Call{{Event: "SessionEnd", Payload: `{"reason":"other"}`}}, Want: []event.RecordState{event.RecordExited}},
		},
		Book: &agenttest.Book{
			Open: func(t *testing.T, l agent.Launch) {
				t.Helper()
				for _, dir := range []string{l.Dirs().RO(), l.Dirs().RW(), filepath.Dir(rolloutFile(l))} {
					if err := os.MkdirAll(dir, 0o700); err != nil {
						t.Fatal(err)
					}
				}
				write(t, filepath.Join(l.Dirs().RO(), threadName), thread{Conversation: l.Conversation}.encode())
				write(t, filepath.Join(l.Dirs().RW(), threadName), thread{ID: testThread, Rollout: rolloutFile(l)}.encode())
				appendRollout(t, l, "session_meta", map[string]any{"id": testThread, "cli_version": "0.171.0"})
			},
			Take: func(t *testing.T, l agent.Launch, prompt string) {
				t.Helper()
				appendRollout(t, l, "response_item", userMessage(prompt))
			},
			Quote: func(t *testing.T, l agent.Launch, text string) {
				t.Helper()
				appendRollout(t, l, "response_item", map[string]any{"type": "function_call_output", "call_id": "c", "output": text})
				appendRollout(t, l, "response_item", userMessage("<hook_prompt>\n"+text+"\n</hook_prompt>"))
			},
		},
	}
}

func userMessage(text string) map[string]any {
	return map[string]any{"type": "message", "role": "user", "content": []any{map[string]any{"type": "input_text", "text": text}}}
}

// setUpLaunch returns a launch by a user who has set Codex CLI up and trusts the repository.
func setUpLaunch(t *testing.T) agent.Launch {
	t.Helper()
	l := agenttest.NewLaunch(t, kind)
	l.Conversation, l.Preamble = conversation, "You work under muster."
	files.Script(t, agenttest.Root(l), "codex", "echo codex-cli 0.171.0")
	config := "[projects.\"" + l.Spec.Repo + "\"]\ntrust_level = \"trusted\"\n"
	dir := configDir(l.Env)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "config.toml"), []byte(config))
	write(t, filepath.Join(dir, "auth.json"), []byte("{}"))
	return l
}

func rolloutFile(l agent.Launch) string {
	return filepath.Join(configDir(l.Env), "sessions", "2026", "11", "27", "rollout-2026-11-27T00-49-35-"+testThread+".jsonl")
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// appendRollout appends a line to the thread's file.
func appendRollout(t *testing.T, l agent.Launch, kind string, payload map[string]any) {
	t.Helper()
	f, err := os.OpenFile(rolloutFile(l), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // the encoder's error counts
	line := map[string]any{"timestamp": "2026-11-27T00:49:36.713Z", "type": kind, "payload": payload}
	if err := json.NewEncoder(f).Encode(line); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	agenttest.Run(t, subject())
}

func FuzzHook(f *testing.F) { agenttest.FuzzHook(f, subject()) }
