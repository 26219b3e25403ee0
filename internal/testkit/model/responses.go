package model

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// responses is the Responses API.
type responses struct{}

// errorBody implements protocol.
func (responses) errorBody(status int) any { return openAIError(status) }

// openAIError returns the body of an HTTP error in the form of the APIs of OpenAI.
func openAIError(status int) any {
	kind := map[int]string{
		400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error",
	}[status]
	if kind == "" {
		kind = "server_error"
	}
	return map[string]any{"error": map[string]any{
		"message": fmt.Sprintf("scripted %s: %s", kind, strings.ToLower(http.StatusText(status))), "type": kind, "code": nil, "param": nil,
	}}
}

// responseItem is one item of the input: a message, a call of a tool, or the output of one.
type responseItem struct {
	Type    string       `json:"type"`
	Role    string       `json:"role"`
	Content responseText `json:"content"`
	Name    string       `json:"name"`
	CallID  string       `json:"call_id"`
	Output  responseText `json:"output"`
}

// responseText is a string, a list of parts with a text, or an object with a content.
type responseText []string

func (c *responseText) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*c = responseText{s}
		return nil
	}
	var list []struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(b, &list) == nil {
		for _, p := range list {
			*c = append(*c, p.Text)
		}
		return nil
	}
	var object struct {
		Content responseText `json:"content"`
	}
	err := json.Unmarshal(b, &object)
	*c = object.Content
	return err
}

// parse implements protocol. Items of one side that follow each other are one message. A call without tools, or
// for an answer in a given format, is a helper.
func (responses) parse(path string, body []byte) (Request, error) {
	var in struct {
		Model        string          `json:"model"`
		Stream       bool            `json:"stream"`
		Instructions string          `json:"instructions"`
		Input        json.RawMessage `json:"input"`
		Tools        []struct {
			Type string `json:"type"`
			Name string `json:"name"`
		} `json:"tools"`
		Text struct {
			Format json.RawMessage `json:"format"`
		} `json:"text"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return Request{}, err
	}
	r := Request{Path: path, Model: in.Model, Stream: in.Stream, System: in.Instructions}
	var items []responseItem
	if err := json.Unmarshal(in.Input, &items); err != nil {
		var text string
		if err := json.Unmarshal(in.Input, &text); err != nil {
			return Request{}, err
		}
		items = []responseItem{{Type: "message", Role: "user", Content: responseText{text}}}
	}
	for _, item := range items {
		item.addTo(&r)
	}
	for _, t := range in.Tools {
		name := t.Name
		if name == "" {
			name = t.Type
		}
		r.Tools = append(r.Tools, name)
	}
	r.Helper = len(r.Tools) == 0 || len(in.Text.Format) > 0
	return r, nil
}

// addTo adds an item to the conversation of a request.
func (item responseItem) addTo(r *Request) {
	var m Message
	switch item.Type {
	case "message", "":
		m = Message{Role: item.Role, Texts: item.Content}
		if item.Role == "developer" {
			m.Role = "system"
		}
	case "function_call", "custom_tool_call", "local_shell_call":
		m = Message{Role: "assistant", ToolUses: []string{item.Name}}
	case "function_call_output", "custom_tool_call_output", "local_shell_call_output":
		m = Message{Role: "user", ToolResults: []ToolResult{{ID: item.CallID, Text: strings.Join(item.Output, "\n")}}}
	default:
		return // reasoning, and what later versions add
	}
	if n := len(r.Messages); n > 0 && r.Messages[n-1].Role == m.Role {
		last := &r.Messages[n-1]
		last.Texts = append(last.Texts, m.Texts...)
		last.ToolResults = append(last.ToolResults, m.ToolResults...)
		last.ToolUses = append(last.ToolUses, m.ToolUses...)
		return
	}
	r.Messages = append(r.Messages, m)
}

// whole implements protocol.
func (responses) whole(n int, req Request, r Reply) map[string]any {
	items := make([]map[string]any, 0, len(r.parts))
	for i, p := range r.parts {
		items = append(items, p.responseItem(n, i))
	}
	u := r.reported()
	in := u.Input + u.CacheRead // the protocol counts cached tokens as input
	return map[string]any{
		"id": fmt.Sprintf("resp_%06d", n), "object": "response", "status": "completed", "model": req.Model, "output": items,
		"usage": map[string]any{
			"input_tokens": in, "input_tokens_details": map[string]any{"cached_tokens": u.CacheRead},
			"output_tokens": u.Output, "output_tokens_details": map[string]any{"reasoning_tokens": 0}, "total_tokens": in + u.Output,
		},
	}
}

// responseItem returns the output item of a part. A tool whose input is a string is a custom tool of the protocol,
// which takes a text and no JSON.
func (p part) responseItem(n, i int) map[string]any {
	id := fmt.Sprintf("%06d_%d", n, i)
	if p.tool == "" {
		return map[string]any{
			"type": "message", "id": "msg_" + id, "role": "assistant", "status": "completed",
			"content": []any{map[string]any{"type": "output_text", "text": p.text, "annotations": []any{}}},
		}
	}
	if text, ok := p.input.(string); ok {
		return map[string]any{"type": "custom_tool_call", "id": "ctc_" + id, "call_id": "call_" + id, "name": p.tool, "input": text, "status": "completed"}
	}
	return map[string]any{
		"type": "function_call", "id": "fc_" + id, "call_id": "call_" + id, "name": p.tool, "arguments": p.args(), "status": "completed",
	}
}

// stream implements protocol.
func (a responses) stream(n int, req Request, r Reply) []frame {
	whole := a.whole(n, req, r)
	var out []frame
	send := func(kind string, data map[string]any) {
		data["type"], data["sequence_number"] = kind, len(out)
		out = append(out, frame{event: kind, data: data})
	}
	send("response.created", map[string]any{"response": map[string]any{
		"id": whole["id"], "object": "response", "status": "in_progress", "model": req.Model, "output": []any{},
	}})
	for i, p := range r.parts {
		item := p.responseItem(n, i)
		begun := map[string]any{"type": item["type"], "id": item["id"], "status": "in_progress"}
		switch item["type"] {
		case "message":
			begun["role"], begun["content"] = "assistant", []any{}
		case "custom_tool_call":
			begun["call_id"], begun["name"], begun["input"] = item["call_id"], p.tool, ""
		default:
			begun["call_id"], begun["name"], begun["arguments"] = item["call_id"], p.tool, ""
		}
		send("response.output_item.added", map[string]any{"output_index": i, "item": begun})
		if p.tool == "" {
			send("response.output_text.delta", map[string]any{"output_index": i, "content_index": 0, "item_id": item["id"], "delta": p.text})
		}
		send("response.output_item.done", map[string]any{"output_index": i, "item": item})
	}
	send("response.completed", map[string]any{"response": whole})
	return out
}
