package gemini

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
	// conversation is the conversation of the test's launch.
	conversation = "0f9a7c5e-52a5-4a8b-9d0e-6a6d2c1b3e4f"
)

// subject describes Gemini CLI to the conformance suite. The payloads are those of version 0.61.0, shortened.
func subject() agenttest.Subject {
	const session = `"session_id":"` + conversation + `","cwd":"/w","timestamp":"2026-11-27T04:28:59.181Z"`
	return agenttest.Subject{
		Adapter: New(),
		Launch:  setUpLaunch,
		Exits:   []int{exitBlock},
		Scenes: []agenttest.Scene{
			{Name: "a turn", Calls: []agenttest.Call{
				{Event: "SessionStart", Payload: `{` + session + `,"hook_event_name":"SessionStart","source":"startup"}`},
				{Event: "BeforeAgent", Payload: `{` + session + `,"prompt":"Task t1 (muster):\n\ndo it"}`},
				{Event: "BeforeTool", Payload: `{` + session + `,"tool_name":"run_shell_command","tool_input":{"command":"ls"}}`},
				{Event: "AfterTool", Payload: `{` + session + `,"tool_name":"run_shell_command","tool_input":{"command":"ls"},"tool_response":{"llmContent":"a"}}`},
				{Event: "AfterAgent", Payload: `{` + session + `,"prompt":"do it","prompt_response":"done","stop_hook_active":false}`},
			}, Want: []event.RecordState{working, working, working, working, idle}},
			{Name: "a permission that nobody answers", Calls: []agenttest.Call{
				{Event: "BeforeTool", Payload: `{` + session + `,"tool_name":"run_shell_command","tool_input":{"command":"rm x"}}`},
			}, Want: []event.RecordState{waiting}},
			{Name: "a question", Calls: []agenttest.Call{
				{Event: "BeforeTool", Payload: `{` + session + `,"tool_name":"ask_user","tool_input":{"questions":[{"question":"Which?","header":"H","type":"choice","options":[{"label":"A"},{"label":"B"}]}]}}`},
			}, Want: []event.RecordState{waiting}},
			{Name: "a dialog of the agent's own", Calls: []agenttest.Call{
				{Event: "Notification", Payload: `{` + session + `,"notification_type":"ToolPermission","message":"Tool run_shell_command requires execution"}`},
			}, Want: []event.RecordState{waiting}},
			{Name: "the end", Calls: []agenttest.Call{{Event: "SessionEnd", Payload: `{"reason":"exit"}`}}, Want: []event.RecordState{event.RecordExited}},
		},
		Book: &agenttest.Book{
			Open: func(t *testing.T, l agent.Launch) {
				t.Helper()
				if err := os.MkdirAll(filepath.Dir(transcriptFile(l)), 0o700); err != nil {
					t.Fatal(err)
				}
				appendLine(t, l, map[string]any{"sessionId": l.Conversation, "projectHash": "h", "kind": "main"})
			},
			Take: func(t *testing.T, l agent.Launch, prompt string) {
				t.Helper()
				appendLine(t, l, map[string]any{"id": "u", "type": "user", "content": []any{map[string]any{"text": prompt}}})
			},
			Quote: func(t *testing.T, l agent.Launch, text string) {
				t.Helper()
				appendLine(t, l, map[string]any{"id": "r", "type": "user", "content": []any{map[string]any{"functionResponse": map[string]any{
					"name": "run_shell_command", "response": map[string]any{"output": text},
				}}}})
				appendLine(t, l, map[string]any{"id": "g", "type": "gemini", "content": text})
				appendLine(t, l, map[string]any{"$set": map[string]any{"messages": []any{map[string]any{"type": "user", "content": text}}}})
			},
		},
	}
}

// setUpLaunch returns a launch by a user who has set Gemini CLI up and trusts the repository.
func setUpLaunch(t *testing.T) agent.Launch {
	t.Helper()
	l := agenttest.NewLaunch(t, kind)
	l.Conversation, l.Preamble, l.Spec.Model = conversation, "You work under muster.", "gemini-2.5-pro"
	l.Env = append(l.Env, keyVar+"=k")
	files.Script(t, agenttest.Root(l), "gemini", "echo 0.61.0")
	if err := os.MkdirAll(configDir(l.Env), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(configDir(l.Env), settingsName), "{}")
	trusted, err := json.Marshal(map[string]string{l.Spec.Repo: "TRUST_FOLDER"})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(configDir(l.Env), "trustedFolders.json"), string(trusted))
	return l
}

func transcriptFile(l agent.Launch) string {
	return filepath.Join(configDir(l.Env), "tmp", "work", "chats", "session-2026-11-27T04-28-"+l.Conversation[:8]+".jsonl")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// appendLine appends a line to the transcript.
func appendLine(t *testing.T, l agent.Launch, line map[string]any) {
	t.Helper()
	f, err := os.OpenFile(transcriptFile(l), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // the encoder's error counts
	line["timestamp"] = "2026-11-27T04:28:59.181Z"
	if err := json.NewEncoder(f).Encode(line); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	agenttest.Run(t, subject())
}

func FuzzHook(f *testing.F) { agenttest.FuzzHook(f, subject()) }
