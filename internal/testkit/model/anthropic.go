package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// anthropic is the Messages API.
type anthropic struct{}

// errorTypes are the protocol's names of its HTTP errors.
var errorTypes = map[int]string{
	400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
	413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error",
}

// errorBody implements protocol.
func (anthropic) errorBody(status int) any {
	kind, ok := errorTypes[status]
	if !ok {
		kind = "api_error"
	}
	return map[string]any{
		"type":  "error",
		"error": map[string]any{"type": kind, "message": fmt.Sprintf("scripted %s", kind)},
	}
}

// whole implements protocol: the message object of a reply.
func (anthropic) whole(n int, req Request, r Reply) map[string]any {
	blocks := make([]map[string]any, 0, len(r.parts))
	for i, p := range r.parts {
		if p.tool == "" {
			blocks = append(blocks, map[string]any{"type": "text", "text": p.text})
			continue
		}
		blocks = append(blocks, map[string]any{"type": "tool_use", "id": fmt.Sprintf("toolu_%06d_%d", n, i), "name": p.tool, "input": p.input})
	}
	stop := "end_turn"
	if r.usesTool() {
		stop = "tool_use"
	}
	u := r.reported()
	return map[string]any{
		"id": fmt.Sprintf("msg_%06d", n), "type": "message", "role": "assistant", "model": req.Model,
		"content": blocks, "stop_reason": stop, "stop_sequence": nil, "usage": map[string]any{
			"input_tokens": u.Input, "output_tokens": u.Output,
			"cache_read_input_tokens": u.CacheRead, "cache_creation_input_tokens": u.CacheWrite,
		},
	}
}

// stream implements protocol.
func (a anthropic) stream(n int, req Request, r Reply) []frame {
	m := a.whole(n, req, r)
	var out []frame
	send := func(kind string, data map[string]any) {
		data["type"] = kind
		out = append(out, frame{event: kind, data: data})
	}
	blocks, _ := m["content"].([]map[string]any)
	head := maps.Clone(m)
	head["content"], head["stop_reason"] = []any{}, nil
	send("message_start", map[string]any{"message": head})
	for i, b := range blocks {
		start := maps.Clone(b)
		var delta map[string]any
		if b["type"] == "tool_use" {
			start["input"] = map[string]any{}
			delta = map[string]any{"type": "input_json_delta", "partial_json": r.parts[i].args()}
		} else {
			start["text"] = ""
			delta = map[string]any{"type": "text_delta", "text": b["text"]}
		}
		send("content_block_start", map[string]any{"index": i, "content_block": start})
		send("content_block_delta", map[string]any{"index": i, "delta": delta})
		send("content_block_stop", map[string]any{"index": i})
	}
	send("message_delta", map[string]any{
		"delta": map[string]any{"stop_reason": m["stop_reason"], "stop_sequence": nil}, "usage": m["usage"],
	})
	send("message_stop", map[string]any{})
	return out
}

// content is a string or a list of blocks. The protocol allows both.
type content []block

type block struct {
	Type      string  `json:"type"`
	Text      string  `json:"text"`
	Name      string  `json:"name"`
	ToolUseID string  `json:"tool_use_id"`
	Content   content `json:"content"`
	IsError   bool    `json:"is_error"`
}

func (c *content) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*c = content{{Type: "text", Text: s}}
		return nil
	}
	var list []block
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	*c = list
	return nil
}

func (c content) text() string {
	var parts []string
	for _, b := range c {
		if b.Type == "text" {
			parts = append(parts, b.Text)
		}
	}
	return strings.Join(parts, "\n")
}

// parse implements protocol. A call without tools is a helper, because the agent's own turns always have some.
func (anthropic) parse(path string, body []byte) (Request, error) {
	var in struct {
		Model    string  `json:"model"`
		Stream   bool    `json:"stream"`
		System   content `json:"system"`
		Messages []struct {
			Role    string  `json:"role"`
			Content content `json:"content"`
		} `json:"messages"`
		Tools []struct {
			Name string `json:"name"`
		} `json:"tools"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return Request{}, err
	}
	r := Request{Path: path, Model: in.Model, Stream: in.Stream, System: in.System.text()}
	for _, m := range in.Messages {
		out := Message{Role: m.Role}
		for _, b := range m.Content {
			switch b.Type {
			case "text":
				out.Texts = append(out.Texts, b.Text)
			case "tool_result":
				out.ToolResults = append(out.ToolResults, ToolResult{ID: b.ToolUseID, Text: b.Content.text(), IsError: b.IsError})
			case "tool_use":
				out.ToolUses = append(out.ToolUses, b.Name)
			}
		}
		r.Messages = append(r.Messages, out)
	}
	for _, t := range in.Tools {
		r.Tools = append(r.Tools, t.Name)
	}
	r.Helper = len(r.Tools) == 0
	return r, nil
}
