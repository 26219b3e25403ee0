package model

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is a scripted model. Its methods are safe for concurrent use.
type Server struct {
	URL string // http://127.0.0.1:PORT, for ANTHROPIC_BASE_URL

	http *httptest.Server
	stop chan struct{} // closed by Close: ends what hangs
	once sync.Once

	mu        sync.Mutex
	steps     []Step
	otherwise Step // answers where the script is used up
	requests  []Request
	news      chan struct{} // closed and replaced at each request
	serial    int
}

// New starts a server outside of a test; Close ends it. After the end of the script, every call is answered by the
// text "ok".
func New(script ...Step) *Server {
	s := &Server{steps: script, stop: make(chan struct{}), news: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/messages", s.messages)
	mux.HandleFunc("POST /v1/messages/count_tokens", s.countTokens)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	})
	s.http = httptest.NewServer(mux)
	s.URL = s.http.URL
	return s
}

// Start starts a server that ends with the test.
func Start(t testing.TB, script ...Step) *Server {
	t.Helper()
	s := New(script...)
	t.Cleanup(s.Close)
	return s
}

// Close ends the server and every hanging call. It may be called several times.
func (s *Server) Close() {
	s.once.Do(func() {
		close(s.stop)
		s.http.CloseClientConnections()
		s.http.Close()
	})
}

// Add appends steps to the script.
func (s *Server) Add(script ...Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = append(s.steps, script...)
}

// Otherwise sets the step that answers every call once the script is used up, instead of the text "ok".
func (s *Server) Otherwise(step Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.otherwise = step
}

// Requests returns the calls of the agent's own turns so far, oldest first, without helper calls.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Request
	for _, r := range s.requests {
		if !r.Helper {
			out = append(out, r)
		}
	}
	return out
}

// All returns all calls so far, including helper calls.
func (s *Server) All() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Clear removes the rest of the script.
func (s *Server) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = nil
}

// Left returns the number of unused steps of the script.
func (s *Server) Left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.steps)
}

// Seen returns how often a text occurs in the longest conversation so far, in messages to the model. A prompt that
// was delivered twice counts twice.
func (s *Server) Seen(text string) int {
	var longest Request
	for _, r := range s.Requests() {
		if len(r.Messages) >= len(longest.Messages) {
			longest = r
		}
	}
	n := 0
	for _, m := range longest.Messages {
		if m.Role == "assistant" {
			continue
		}
		for _, t := range m.Texts {
			n += strings.Count(t, text)
		}
		for _, t := range m.ToolResults {
			n += strings.Count(t.Text, text)
		}
	}
	return n
}

// Await waits until a call satisfies the condition and returns the first such call.
func (s *Server) Await(ctx context.Context, ok func(Request) bool) (Request, error) {
	for {
		s.mu.Lock()
		news := s.news
		s.mu.Unlock()
		for _, r := range s.Requests() {
			if ok(r) {
				return r, nil
			}
		}
		select {
		case <-news:
		case <-ctx.Done():
			return Request{}, fmt.Errorf("model: no such call among %d: %w", len(s.Requests()), ctx.Err())
		}
	}
}

func (s *Server) countTokens(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"input_tokens":100}`)
}

func (s *Server) messages(w http.ResponseWriter, hr *http.Request) {
	body, err := io.ReadAll(hr.Body)
	if err != nil {
		return // the agent closed the connection
	}
	req, err := parseRequest(hr.URL.Path, body)
	if err != nil {
		http.Error(w, string(errorBody(400)), http.StatusBadRequest)
		return
	}
	step := s.take(req)
	reply := Say("ok")
	if step != nil {
		reply = step(req)
	}
	if !s.pause(hr.Context(), reply) {
		return
	}
	maps.Copy(w.Header(), reply.header)
	switch {
	case reply.status != 0:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(reply.status)
		_, _ = w.Write(errorBody(reply.status))
	case req.Stream:
		stream(w, s.message(req, reply))
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.message(req, reply))
	}
}

// take records the call and returns its step; nil if none is left or the call is a helper.
func (s *Server) take(r Request) Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	close(s.news)
	s.news = make(chan struct{})
	if r.Helper {
		return nil
	}
	if len(s.steps) == 0 {
		return s.otherwise
	}
	step := s.steps[0]
	s.steps = s.steps[1:]
	return step
}

// pause waits as long as the reply requires. It returns false if the caller is gone.
func (s *Server) pause(ctx context.Context, r Reply) bool {
	var late <-chan time.Time
	if !r.hang {
		if r.delay == 0 {
			return true
		}
		timer := time.NewTimer(r.delay)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-late:
		return true
	case <-ctx.Done():
	case <-s.stop:
	}
	return false
}

// message returns the protocol's message object of a reply.
func (s *Server) message(req Request, r Reply) map[string]any {
	s.mu.Lock()
	s.serial++
	n := s.serial
	s.mu.Unlock()
	usage := r.usage
	if usage == (Usage{}) {
		usage = Usage{Input: 10, Output: 5}
	}
	blocks := make([]map[string]any, 0, len(r.blocks))
	for i, b := range r.blocks {
		b = maps.Clone(b)
		if b["type"] == "tool_use" {
			b["id"] = fmt.Sprintf("toolu_%06d_%d", n, i)
		}
		blocks = append(blocks, b)
	}
	return map[string]any{
		"id": fmt.Sprintf("msg_%06d", n), "type": "message", "role": "assistant", "model": req.Model,
		"content": blocks, "stop_reason": r.stopReason(), "stop_sequence": nil, "usage": usage.fields(),
	}
}

// stream writes a message as server-sent events.
func stream(w http.ResponseWriter, m map[string]any) {
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(kind string, data map[string]any) {
		data["type"] = kind
		b, _ := json.Marshal(data)
		_, _ = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", kind, b)
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
	}
	blocks, _ := m["content"].([]map[string]any)
	head := maps.Clone(m)
	head["content"], head["stop_reason"] = []any{}, nil
	send("message_start", map[string]any{"message": head})
	for i, b := range blocks {
		start := maps.Clone(b)
		var delta map[string]any
		if b["type"] == "tool_use" {
			input, _ := json.Marshal(b["input"])
			start["input"] = map[string]any{}
			delta = map[string]any{"type": "input_json_delta", "partial_json": string(input)}
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
}
