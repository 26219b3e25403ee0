package model_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"muster/internal/testkit/model"
)

func TestGenerateContent(t *testing.T) {
	t.Parallel()
	s := model.Start(t,
		model.Always(model.Say("looking").AndUse("run_shell_command", map[string]any{"command": "ls"}).AndUse("read_file", map[string]any{"file_path": "a"}).
			Costing(model.Usage{Input: 100, Output: 7, CacheRead: 40})),
		model.Text("bye"),
		model.Always(model.FailWith(429, `{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"7200s"}]}}`)),
		model.Error(503),
		model.Always(model.Say("half").CutAfter(1)),
		model.Always(model.Say("odd").TrashAfter(1)),
	)
	stream, whole := s.URL+"/v1beta/models/model-x:streamGenerateContent?alt=sse", s.URL+"/v1beta/models/model-x:generateContent"
	said := func(role string, parts ...map[string]any) map[string]any {
		return map[string]any{"role": role, "parts": parts}
	}
	ask := func(contents ...map[string]any) map[string]any {
		return map[string]any{
			"contents": contents, "systemInstruction": said("user", map[string]any{"text": "be good"}),
			"tools": []any{map[string]any{"functionDeclarations": []any{map[string]any{"name": "run_shell_command"}}}},
		}
	}
	user := said("user", map[string]any{"text": "hello"})

	_, body := post(t.Context(), t, stream, ask(user))
	var names []string
	finish, tokens := "", 0
	for _, e := range events(body) {
		var chunk struct {
			Candidates []struct {
				Content struct {
					Parts []struct{ FunctionCall struct{ Name string } }
				}
				FinishReason string
			}
			UsageMetadata struct{ PromptTokenCount, TotalTokenCount int }
		}
		if err := json.Unmarshal([]byte(e), &chunk); err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		finish += chunk.Candidates[0].FinishReason
		tokens += chunk.UsageMetadata.TotalTokenCount
		for _, p := range chunk.Candidates[0].Content.Parts {
			if p.FunctionCall.Name != "" {
				names = append(names, p.FunctionCall.Name)
			}
		}
	}
	if !slices.Equal(names, []string{"run_shell_command", "read_file"}) || finish != "STOP" || tokens != 147 {
		t.Errorf("calls %v, finish %q, %d tokens:\n%s", names, finish, tokens, body)
	}

	_, body = post(t.Context(), t, whole, ask(user,
		said("model", map[string]any{"functionCall": map[string]any{"name": "run_shell_command", "args": map[string]any{}}}),
		said("user", map[string]any{"functionResponse": map[string]any{"id": "c1", "name": "run_shell_command", "response": map[string]any{"output": "a.txt"}}})))
	if !strings.Contains(body, `"text":"bye"`) || !strings.Contains(body, `"finishReason":"STOP"`) {
		t.Errorf("not streamed: %s", body)
	}
	first, second := s.Requests()[0], s.Requests()[1]
	if first.Model != "model-x" || !first.Stream || first.System != "be good" || !first.Last().Contains("hello") || !slices.Equal(first.Tools, []string{"run_shell_command"}) {
		t.Errorf("the first call is read as %+v", first)
	}
	if last := second.Last(); second.Stream || len(second.Messages) != 3 || last.ToolResults[0].Text != "a.txt" || second.Messages[1].ToolUses[0] != "run_shell_command" || second.Messages[1].Role != "assistant" {
		t.Errorf("the second call is read as %+v", second)
	}

	if code, body := post(t.Context(), t, stream, ask(user)); code != 429 || !strings.Contains(body, "7200s") {
		t.Errorf("limit: %d %s", code, body)
	}
	if code, body := post(t.Context(), t, stream, ask(user)); code != 503 || !strings.Contains(body, "UNAVAILABLE") {
		t.Errorf("error: %d %s", code, body)
	}
	if _, body := post(t.Context(), t, stream, ask(user)); strings.Contains(body, "STOP") {
		t.Errorf("cut: %s", body)
	}
	if _, body := post(t.Context(), t, stream, ask(user)); !strings.Contains(body, "{this is not JSON") || !strings.Contains(body, "STOP") {
		t.Errorf("malformed: %s", body)
	}
}
