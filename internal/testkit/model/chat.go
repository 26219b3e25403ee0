package model

import (
	"encoding/json"
	"fmt"
)

// chat is the Chat Completions API, which most makers of models offer besides their own.
type chat struct{}

// chatErrors are the protocol's names of its HTTP errors.
var chatErrors = map[int]string{
	400: "invalid_request_error", 401: "invalid_api_key", 403: "permission_denied", 404: "model_not_found",
	429: "rate_limit_exceeded", 500: "server_error", 529: "overloaded",
}

// errorBody implements protocol.
func (chat) errorBody(status int) any {
	code, ok := chatErrors[status]
	if !ok {
		code = "server_error"
	}
	return map[string]any{"error": map[string]any{"message": "scripted " + code, "type": code, "code": code, "param": nil}}
}

// whole implements protocol: the completion object of a reply.
func (c chat) whole(n int, req Request, r Reply) map[string]any {
	message := map[string]any{"role": "assistant", "content": nil}
	var said string
	var calls []any
	for i, p := range r.parts {
		if p.tool == "" {
			said += p.text
			continue
		}
		calls = append(calls, c.call(n, i, p))
	}
	if said != "" {
		message["content"] = said
	}
	if len(calls) > 0 {
		message["tool_calls"] = calls
	}
	return map[string]any{
		"id": chatID(n), "object": "chat.completion", "created": 1, "model": req.Model, "usage": c.usage(r),
		"choices": []any{map[string]any{"index": 0, "message": message, "finish_reason": c.finish(r)}},
	}
}

// stream implements protocol. Usage comes in an event of its own, as agents ask for it.
func (c chat) stream(n int, req Request, r Reply) []frame {
	var out []frame
	send := func(choices []any, usage any) {
		out = append(out, frame{data: map[string]any{
			"id": chatID(n), "object": "chat.completion.chunk", "created": 1, "model": req.Model, "choices": choices, "usage": usage,
		}})
	}
	delta := func(d map[string]any, finish any) {
		send([]any{map[string]any{"index": 0, "delta": d, "finish_reason": finish}}, nil)
	}
	delta(map[string]any{"role": "assistant", "content": ""}, nil)
	index := 0
	for i, p := range r.parts {
		if p.tool == "" {
			delta(map[string]any{"content": p.text}, nil)
			continue
		}
		call := c.call(n, i, p)
		call["index"] = index
		index++
		delta(map[string]any{"tool_calls": []any{call}}, nil)
	}
	delta(map[string]any{}, c.finish(r))
	send([]any{}, c.usage(r))
	return append(out, frame{data: "[DONE]"})
}

func chatID(n int) string { return fmt.Sprintf("chatcmpl-%06d", n) }

func (chat) call(n, i int, p part) map[string]any {
	return map[string]any{
		"id": fmt.Sprintf("call_%06d_%d", n, i), "type": "function",
		"function": map[string]any{"name": p.tool, "arguments": p.args()},
	}
}

func (chat) finish(r Reply) string {
	if r.usesTool() {
		return "tool_calls"
	}
	return "stop"
}

// usage returns the usage of a reply. In this protocol the prompt includes what was read from the cache.
func (chat) usage(r Reply) map[string]any {
	u := r.reported()
	prompt := u.Input + u.CacheRead + u.CacheWrite
	return map[string]any{
		"prompt_tokens": prompt, "completion_tokens": u.Output, "total_tokens": prompt + u.Output,
		"prompt_tokens_details": map[string]any{"cached_tokens": u.CacheRead},
	}
}

// parse implements protocol. A call without tools is a helper. Results of tools are messages of their own here, which
// become one message of the user as in the other protocols.
func (chat) parse(path string, body []byte) (Request, error) {
	var in struct {
		Model    string `json:"model"`
		Stream   bool   `json:"stream"`
		Messages []struct {
			Role    string  `json:"role"`
			Content content `json:"content"`
			CallID  string  `json:"tool_call_id"`
			Calls   []struct {
				Function struct {
					Name string `json:"name"`
				} `json:"function"`
			} `json:"tool_calls"`
		} `json:"messages"`
		Tools []struct {
			Function struct {
				Name string `json:"name"`
			} `json:"function"`
		} `json:"tools"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return Request{}, err
	}
	r := Request{Path: path, Model: in.Model, Stream: in.Stream}
	results := false
	for _, m := range in.Messages {
		switch m.Role {
		case "system", "developer":
			if r.System != "" {
				r.System += "\n"
			}
			r.System += m.Content.text()
			continue
		case "tool":
			if !results {
				r.Messages = append(r.Messages, Message{Role: "user"})
			}
			last := &r.Messages[len(r.Messages)-1]
			last.ToolResults = append(last.ToolResults, ToolResult{ID: m.CallID, Text: m.Content.text()})
			results = true
			continue
		}
		results = false
		out := Message{Role: m.Role}
		for _, b := range m.Content {
			if b.Type == "text" && b.Text != "" {
				out.Texts = append(out.Texts, b.Text)
			}
		}
		for _, c := range m.Calls {
			out.ToolUses = append(out.ToolUses, c.Function.Name)
		}
		r.Messages = append(r.Messages, out)
	}
	for _, t := range in.Tools {
		r.Tools = append(r.Tools, t.Function.Name)
	}
	r.Helper = len(r.Tools) == 0
	return r, nil
}
