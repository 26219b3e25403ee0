package model

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Step answers one call of an agent's turn.
type Step func(Request) Reply

// Reply is the answer of the model. The functions below make one.
type Reply struct {
	blocks []map[string]any
	status int           // an HTTP error instead of an answer
	header http.Header   // further headers
	delay  time.Duration // before the first byte
	hang   bool          // accept and never answer
	usage  Usage
}

// Usage is the usage that a reply reports, in tokens.
type Usage struct {
	Input, Output, CacheRead, CacheWrite int64
}

// Say returns a reply with one text.
func Say(text string) Reply {
	return Reply{blocks: []map[string]any{{"type": "text", "text": text}}}
}

// Use returns a reply that uses one tool. input is marshalled to the tool's input object.
func Use(tool string, input any) Reply { return Reply{}.AndUse(tool, input) }

// AndUse adds the use of a tool to a reply.
func (r Reply) AndUse(tool string, input any) Reply {
	r.blocks = append(r.blocks, map[string]any{"type": "tool_use", "name": tool, "input": input})
	return r
}

// Costing sets the usage that a reply reports.
func (r Reply) Costing(u Usage) Reply {
	r.usage = u
	return r
}

// After delays a reply.
func (r Reply) After(d time.Duration) Reply {
	r.delay = d
	return r
}

// With sets a header of a reply.
func (r Reply) With(name, value string) Reply {
	h := r.header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set(name, value)
	r.header = h
	return r
}

// Fail returns a reply with an HTTP error in the protocol's form.
func Fail(status int) Reply { return Reply{status: status} }

// Text returns a step that replies with a text.
func Text(text string) Step { return Always(Say(text)) }

// ToolUse returns a step that uses a tool.
func ToolUse(tool string, input any) Step { return Always(Use(tool, input)) }

// Error returns a step that fails with an HTTP status.
func Error(status int) Step { return Always(Fail(status)) }

// Hang returns a step that accepts the call and never answers, until the agent or the server closes the connection.
func Hang() Step { return Always(Reply{hang: true}) }

// Delay returns a step that replies after d.
func Delay(d time.Duration, s Step) Step {
	return func(r Request) Reply { return s(r).After(d) }
}

// Always returns a step that gives the same reply to every request.
func Always(r Reply) Step { return func(Request) Reply { return r } }

// errorTypes are the protocol's names of its HTTP errors.
var errorTypes = map[int]string{
	400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
	413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error",
}

func errorBody(status int) []byte {
	kind, ok := errorTypes[status]
	if !ok {
		kind = "api_error"
	}
	b, _ := json.Marshal(map[string]any{
		"type":  "error",
		"error": map[string]any{"type": kind, "message": fmt.Sprintf("scripted %s", kind)},
	})
	return b
}

func (r Reply) stopReason() string {
	for _, b := range r.blocks {
		if b["type"] == "tool_use" {
			return "tool_use"
		}
	}
	return "end_turn"
}

func (u Usage) fields() map[string]any {
	return map[string]any{
		"input_tokens": u.Input, "output_tokens": u.Output,
		"cache_read_input_tokens": u.CacheRead, "cache_creation_input_tokens": u.CacheWrite,
	}
}
