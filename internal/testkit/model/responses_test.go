package model_test

import (
	"strings"
	"testing"

	"muster/internal/testkit/model"
)

func respond(input any, stream bool) map[string]any {
	return map[string]any{
		"model": "m", "stream": stream, "instructions": "be brief", "input": input, "tools": []any{map[string]any{"type": "function", "name": "run"}},
	}
}

func TestResponsesSpeakTheScript(t *testing.T) {
	t.Parallel()
	s := model.Start(t,
		model.Always(model.Use("run", map[string]any{"cmd": "ls"}).AndUse("patch", "*** Begin").Costing(model.Usage{Input: 10, CacheRead: 4, Output: 2})),
		model.Always(model.FailWith(429, `{"error":{"type":"mine"}}`).With("Retry-After", "7")), model.Error(401), model.Text("bye"))
	url := s.URL + "/v1/responses"
	_, body := post(t.Context(), t, url, respond("one", true))
	for _, want := range []string{
		"event: response.created", `"name":"run"`, `"arguments":"{\"cmd\":\"ls\"}"`, `"type":"custom_tool_call"`, `"input":"*** Begin"`,
		"event: response.completed", `"input_tokens":14`, `"cached_tokens":4`, `"total_tokens":16`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is missing in %s", want, body)
		}
	}
	if code, body := post(t.Context(), t, url, respond("two", true)); code != 429 || !strings.Contains(body, `"type":"mine"`) {
		t.Errorf("an error with a body of its own: %d %s", code, body)
	}
	if code, body := post(t.Context(), t, url, respond("three", true)); code != 401 || !strings.Contains(body, "authentication_error") {
		t.Errorf("an error: %d %s", code, body)
	}
	items := []any{
		map[string]any{"type": "message", "role": "developer", "content": []any{map[string]any{"type": "input_text", "text": "rules"}}},
		map[string]any{"type": "message", "role": "user", "content": []any{map[string]any{"type": "input_text", "text": "hello"}}},
		map[string]any{"type": "function_call", "name": "run", "call_id": "c1", "arguments": "{}"},
		map[string]any{"type": "function_call", "name": "run", "call_id": "c2", "arguments": "{}"},
		map[string]any{"type": "function_call_output", "call_id": "c1", "output": "first"},
		map[string]any{"type": "custom_tool_call_output", "call_id": "c2", "output": []any{map[string]any{"type": "input_text", "text": "second"}}},
	}
	if _, body := post(t.Context(), t, url, respond(items, false)); !strings.Contains(body, `"text":"bye"`) {
		t.Errorf("the last: %s", body)
	}
	got := s.Requests()[3]
	if len(got.Messages) != 4 || got.Messages[1].Texts[0] != "hello" || len(got.Messages[2].ToolUses) != 2 || len(got.Last().ToolResults) != 2 ||
		got.Last().ToolResults[1] != (model.ToolResult{ID: "c2", Text: "second"}) || got.System != "be brief" {
		t.Errorf("the conversation was read as %+v", got)
	}
}

func TestAStreamCanBreak(t *testing.T) {
	t.Parallel()
	s := model.Start(t)
	for _, url := range []string{s.URL + "/v1/responses", s.URL + "/v1/messages"} {
		s.Clear()
		s.Add(model.Always(model.Say("one").CutAfter(2)), model.Always(model.Say("two").TrashAfter(1)))
		call := respond("x", true)
		call["messages"] = []any{}
		if _, body := post(t.Context(), t, url, call); !strings.Contains(body, "EOF") {
			t.Errorf("%s was not cut: %s", url, body)
		}
		if _, body := post(t.Context(), t, url, call); !strings.Contains(body, "not JSON") || !strings.Contains(body, "two") {
			t.Errorf("%s was not damaged: %s", url, body)
		}
	}
}
