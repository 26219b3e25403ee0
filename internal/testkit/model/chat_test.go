package model_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"muster/internal/testkit/model"
)

func chatAsk(stream bool, messages ...map[string]any) map[string]any {
	tool := map[string]any{"type": "function", "function": map[string]any{"name": "bash", "parameters": map[string]any{}}}
	return map[string]any{"model": "m", "stream": stream, "tools": []any{tool}, "messages": messages}
}

// events returns the data of server-sent events.
func events(body string) []string {
	var out []string
	for line := range strings.Lines(body) {
		if data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: "); ok {
			out = append(out, data)
		}
	}
	return out
}

func TestChatCompletions(t *testing.T) {
	t.Parallel()
	const cached = 40
	s := model.Start(t,
		model.Always(model.Say("looking").AndUse("bash", map[string]any{"command": "ls"}).AndUse("read", map[string]any{"filePath": "a"}).
			Costing(model.Usage{Input: 100, Output: 7, CacheRead: cached})),
		model.Text("bye"),
		model.Always(model.FailWith(429, `{"error":{"type":"usage_limit_reached","message":"gone"}}`).With("retry-after", "7200")),
		model.Error(401),
		model.Always(model.Say("half").CutAfter(2)),
		model.Always(model.Say("odd").TrashAfter(1)),
	)
	url := s.URL + "/v1/chat/completions"
	user := map[string]any{"role": "user", "content": []any{map[string]any{"type": "text", "text": "hello"}}}

	_, body := post(t.Context(), t, url, chatAsk(true, map[string]any{"role": "system", "content": "be good"}, user))
	var names []string
	finish, prompt := "", 0
	all := events(body)
	for _, e := range all[:len(all)-1] {
		var chunk struct {
			Choices []struct {
				Delta struct {
					Calls []struct {
						Index    int
						Function struct{ Name, Arguments string }
					} `json:"tool_calls"`
				}
				Finish string `json:"finish_reason"`
			}
			Usage struct {
				Prompt int `json:"prompt_tokens"`
			}
		}
		if err := json.Unmarshal([]byte(e), &chunk); err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		prompt += chunk.Usage.Prompt
		for _, c := range chunk.Choices {
			finish += c.Finish
			for _, call := range c.Delta.Calls {
				if call.Index != len(names) || !json.Valid([]byte(call.Function.Arguments)) {
					t.Errorf("call %+v has not the index %d, or no JSON", call, len(names))
				}
				names = append(names, call.Function.Name)
			}
		}
	}
	if !slices.Equal(names, []string{"bash", "read"}) || finish != "tool_calls" || prompt != 140 || all[len(all)-1] != "[DONE]" {
		t.Errorf("calls %v, finish %q, %d tokens of the prompt, end %q:\n%s", names, finish, prompt, all[len(all)-1], body)
	}

	call := map[string]any{"id": "c1", "type": "function", "function": map[string]any{"name": "bash", "arguments": "{}"}}
	_, body = post(t.Context(), t, url, chatAsk(false, user, map[string]any{"role": "assistant", "content": nil, "tool_calls": []any{call}},
		map[string]any{"role": "tool", "tool_call_id": "c1", "content": "a.txt"}))
	if !strings.Contains(body, `"content":"bye"`) || !strings.Contains(body, `"finish_reason":"stop"`) {
		t.Errorf("not streamed: %s", body)
	}
	first, second := s.Requests()[0], s.Requests()[1]
	if first.System != "be good" || !first.Last().Contains("hello") || !slices.Equal(first.Tools, []string{"bash"}) {
		t.Errorf("the first call is read as %+v", first)
	}
	if last := second.Last(); len(second.Messages) != 3 || last.Role != "user" || last.ToolResults[0].Text != "a.txt" || second.Messages[1].ToolUses[0] != "bash" {
		t.Errorf("the second call is read as %+v", second)
	}

	if code, body := post(t.Context(), t, url, chatAsk(true, user)); code != 429 || !strings.Contains(body, "usage_limit_reached") {
		t.Errorf("limit: %d %s", code, body)
	}
	if code, body := post(t.Context(), t, url, chatAsk(true, user)); code != 401 || !strings.Contains(body, "invalid_api_key") {
		t.Errorf("error: %d %s", code, body)
	}
	if _, body := post(t.Context(), t, url, chatAsk(true, user)); strings.Contains(body, "[DONE]") {
		t.Errorf("cut: %s", body)
	}
	if _, body := post(t.Context(), t, url, chatAsk(true, user)); !strings.Contains(body, "{this is not JSON") || !strings.Contains(body, "[DONE]") {
		t.Errorf("malformed: %s", body)
	}
}
