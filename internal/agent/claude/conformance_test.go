package claude

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"muster/internal/agent"
	"muster/internal/agent/agenttest"
	"muster/internal/event"
)

const (
	working = event.RecordWorking
	waiting = event.RecordWaiting
	idle    = event.RecordIdle
)

// subject describes Claude Code to the conformance suite. The payloads are those of version 2.1.197, shortened.
func subject() agenttest.Subject {
	return agenttest.Subject{
		Adapter: New(),
		Launch:  setUpLaunch,
		Exits:   []int{exitRewake},
		Scenes: []agenttest.Scene{
			{Name: "a turn", Calls: []agenttest.Call{
				{Event: "SessionStart", Payload: `{"source":"startup"}`},
				{Event: "UserPromptSubmit", Payload: `{"prompt":"Task t1 (muster):\n\ndo it"}`},
				{Event: "PreToolUse", Payload: `{"tool_name":"Bash","tool_use_id":"u1","tool_input":{"command":"ls"}}`},
				{Event: "PostToolUse", Payload: `{"tool_name":"Bash","tool_use_id":"u1","tool_input":{"command":"ls"},"tool_response":{}}`},
				{Event: "Stop", Payload: `{"last_assistant_message":"done","background_tasks":[]}`},
			}, Want: []event.RecordState{working, working, working, working, idle}},
			{Name: "a permission", Calls: []agenttest.Call{
				{Event: "PermissionRequest", Payload: `{"tool_name":"Bash","tool_input":{"command":"rm x"}}`},
				{Event: "PostToolUse", Payload: `{"tool_name":"Bash","tool_use_id":"u1","tool_input":{"command":"rm x"}}`},
			}, Want: []event.RecordState{waiting, working}},
			{Name: "a question", Calls: []agenttest.Call{
				{Event: "PermissionRequest", Payload: `{"tool_name":"AskUserQuestion","tool_input":{"questions":[{"question":"Which?","options":[{"label":"A"},{"label":"B"}]}]}}`},
			}, Want: []event.RecordState{waiting}},
			{Name: "an error", Calls: []agenttest.Call{
				{Event: "StopFailure", Payload: `{"error":"server_error","last_assistant_message":"API Error: 529 Overloaded"}`},
			}, Want: []event.RecordState{event.RecordError}},
			{Name: "the end", Calls: []agenttest.Call{{Event: "SessionEnd", Payload: `{"reason":"other"}`}}, Want: []event.RecordState{event.RecordExited}},
			{Name: "a waiter without messages", Calls: []agenttest.Call{{Event: waitEvent, Payload: `{}`}}},
		},
		Book: &agenttest.Book{
			Open: func(t *testing.T, l agent.Launch) {
				t.Helper()
				appendTranscript(t, l, map[string]any{"type": "summary"})
			},
			Queue: func(t *testing.T, l agent.Launch, prompt string) {
				t.Helper()
				appendTranscript(t, l, map[string]any{"type": "queue-operation", "operation": "enqueue", "content": prompt})
			},
			Take: func(t *testing.T, l agent.Launch, prompt string) {
				t.Helper()
				appendTranscript(t, l, map[string]any{"type": "user", "message": map[string]any{"content": prompt}})
			},
			Quote: func(t *testing.T, l agent.Launch, text string) {
				t.Helper()
				appendTranscript(t, l, map[string]any{"type": "user", "message": map[string]any{
					"content": []any{map[string]any{"type": "tool_result", "content": text}},
				}})
			},
		},
	}
}

// setUpLaunch returns a launch by a user who has set Claude Code up and trusts the repository.
func setUpLaunch(t *testing.T) agent.Launch {
	t.Helper()
	l := newLaunch(t)
	user, err := json.Marshal(map[string]any{
		"hasCompletedOnboarding": true,
		"projects":               map[string]any{agent.RealPath(l.Spec.Repo): map[string]any{"hasTrustDialogAccepted": true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(userFile(l.Env), user, 0o600); err != nil {
		t.Fatal(err)
	}
	return l
}

// appendTranscript appends a line to the conversation's transcript.
func appendTranscript(t *testing.T, l agent.Launch, line map[string]any) {
	t.Helper()
	path := sessionPath(l, l.Conversation)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // the encoder's error counts
	if err := json.NewEncoder(f).Encode(line); err != nil {
		t.Fatal(err)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	agenttest.Run(t, subject())
}

func FuzzHook(f *testing.F) { agenttest.FuzzHook(f, subject()) }
