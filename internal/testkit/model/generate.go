package model

import (
	"encoding/json"
	"fmt"
	"strings"
)

// generate is the API of generateContent and streamGenerateContent.
type generate struct{}

// generateErrors are the protocol's names of its HTTP errors.
var generateErrors = map[int]string{
	400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
	429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE",
}

// errorBody implements protocol.
func (generate) errorBody(status int) any {
	name, ok := generateErrors[status]
	if !ok {
		name = "UNKNOWN"
	}
	return map[string]any{"error": map[string]any{"code": status, "message": "scripted " + name, "status": name}}
}

// whole implements protocol: the response object of a reply.
func (g generate) whole(n int, req Request, r Reply) map[string]any {
	parts := make([]any, 0, len(r.parts))
	for i, p := range r.parts {
		parts = append(parts, g.part(n, i, p))
	}
	return g.chunk(n, req, r, parts, true)
}

// stream implements protocol. Each part is an event of its own; the reason of the end and the usage come with the last.
func (g generate) stream(n int, req Request, r Reply) []frame {
	var out []frame
	for i, p := range r.parts {
		out = append(out, frame{data: g.chunk(n, req, r, []any{g.part(n, i, p)}, false)})
	}
	return append(out, frame{data: g.chunk(n, req, r, []any{map[string]any{"text": ""}}, true)})
}

func (generate) part(n, i int, p part) map[string]any {
	if p.tool == "" {
		return map[string]any{"text": p.text}
	}
	return map[string]any{"functionCall": map[string]any{"id": fmt.Sprintf("call_%06d_%d", n, i), "name": p.tool, "args": p.input}}
}

// chunk returns one response object. In this protocol the prompt includes what was read from the cache.
func (generate) chunk(n int, req Request, r Reply, parts []any, last bool) map[string]any {
	candidate := map[string]any{"index": 0, "content": map[string]any{"role": "model", "parts": parts}}
	out := map[string]any{"responseId": fmt.Sprintf("resp_%06d", n), "modelVersion": req.Model, "candidates": []any{candidate}}
	if !last {
		return out
	}
	u := r.reported()
	prompt := u.Input + u.CacheRead + u.CacheWrite
	candidate["finishReason"] = "STOP"
	out["usageMetadata"] = map[string]any{
		"promptTokenCount": prompt, "cachedContentTokenCount": u.CacheRead, "candidatesTokenCount": u.Output, "totalTokenCount": prompt + u.Output,
	}
	return out
}

// generateContent is one message of the protocol.
type generateContent struct {
	Role  string `json:"role"`
	Parts []struct {
		Text string `json:"text"`
		Call *struct {
			Name string `json:"name"`
		} `json:"functionCall"`
		Response *struct {
			ID       string          `json:"id"`
			Name     string          `json:"name"`
			Response json.RawMessage `json:"response"`
		} `json:"functionResponse"`
	} `json:"parts"`
}

// message returns a message in no protocol's form. The result of a tool is an object, of which "output" or "error" is for the model.
func (c generateContent) message() Message {
	out := Message{Role: c.Role}
	if c.Role == "model" {
		out.Role = "assistant"
	}
	for _, p := range c.Parts {
		switch {
		case p.Call != nil:
			out.ToolUses = append(out.ToolUses, p.Call.Name)
		case p.Response != nil:
			result := ToolResult{ID: p.Response.ID, Text: string(p.Response.Response)}
			var said struct{ Output, Error *string }
			if json.Unmarshal(p.Response.Response, &said) == nil {
				switch {
				case said.Error != nil:
					result.Text, result.IsError = *said.Error, true
				case said.Output != nil:
					result.Text = *said.Output
				}
			}
			out.ToolResults = append(out.ToolResults, result)
		case p.Text != "":
			out.Texts = append(out.Texts, p.Text)
		}
	}
	return out
}

// parse implements protocol. The model and the form of the answer are in the path. A call without tools is a helper.
func (generate) parse(path string, body []byte) (Request, error) {
	var in struct {
		Contents []generateContent `json:"contents"`
		System   generateContent   `json:"systemInstruction"`
		Tools    []struct {
			Functions []struct {
				Name string `json:"name"`
			} `json:"functionDeclarations"`
		} `json:"tools"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return Request{}, err
	}
	name, method, _ := strings.Cut(path[strings.LastIndexByte(path, '/')+1:], ":")
	r := Request{Path: path, Model: name, Stream: method == "streamGenerateContent", System: strings.Join(in.System.message().Texts, "\n")}
	for _, c := range in.Contents {
		r.Messages = append(r.Messages, c.message())
	}
	for _, t := range in.Tools {
		for _, f := range t.Functions {
			r.Tools = append(r.Tools, f.Name)
		}
	}
	r.Helper = len(r.Tools) == 0
	return r, nil
}
