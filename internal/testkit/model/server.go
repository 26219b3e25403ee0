package model

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Server is a scripted model. Its methods are safe for concurrent use.
type Server struct {
	URL string // http://127.0.0.1:PORT, for ANTHROPIC_BASE_URL and GOOGLE_GEMINI_BASE_URL; the other protocols are below its /v1

	http *httptest.Server
	away atomic.Bool
	stop chan struct{} // closed by Close: ends what hangs
	once sync.Once

	mu            sync.Mutex
	steps         []Step
	conversations []*Conversation
	otherwise     Step // answers where the script is used up
	requests      []Request
	news          chan struct{} // closed and replaced at each request
	serial        int
}

// New starts a server outside of a test; Close ends it. After the end of the script, every call is answered by the
// text "ok".
func New(script ...Step) *Server {
	s := &Server{steps: script, stop: make(chan struct{}), news: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/messages", s.serve(anthropic{}))
	mux.HandleFunc("POST /v1/chat/completions", s.serve(chat{}))
	mux.HandleFunc("POST /v1/messages/count_tokens", s.countTokens)
	mux.HandleFunc("POST /v1/responses", s.serve(responses{}))
	mux.HandleFunc("POST /v1beta/models/{call}", s.serve(generate{}))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	})
	s.http = httptest.NewUnstartedServer(mux)
	s.http.Listener = &door{Listener: s.http.Listener, away: &s.away}
	s.http.Start()
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

// Away makes the server unreachable: it breaks all connections off, and resets each new one until it is called with false.
func (s *Server) Away(away bool) {
	s.away.Store(away)
	if away {
		s.http.CloseClientConnections()
	}
}

// door is a listener that can reset connections instead of accepting them.
type door struct {
	net.Listener
	away *atomic.Bool
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil || !d.away.Load() {
			return c, err
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
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

// protocol is one form in which agents talk to a model.
type protocol interface {
	// parse reads the body of a call.
	parse(path string, body []byte) (Request, error)
	// errorBody returns the body of an HTTP error, which is sent as JSON.
	errorBody(status int) any
	// whole returns a reply in one piece. n is the number of the reply at this server, for ids.
	whole(n int, req Request, r Reply) map[string]any
	// stream returns a reply as server-sent events.
	stream(n int, req Request, r Reply) []frame
}

// frame is one server-sent event.
type frame struct {
	event string // "" if the protocol does not name its events
	data  any    // a string is sent as it is, anything else as JSON
}

// serve returns the handler of a protocol's calls.
func (s *Server) serve(p protocol) http.HandlerFunc {
	return func(w http.ResponseWriter, hr *http.Request) {
		body, err := io.ReadAll(hr.Body)
		if err != nil {
			return // the agent closed the connection
		}
		req, err := p.parse(hr.URL.Path, body)
		if err != nil {
			writeJSON(w, http.StatusBadRequest, p.errorBody(http.StatusBadRequest))
			return
		}
		req.Body = body
		step := s.take(req)
		reply := Say("ok")
		if step != nil {
			reply = step(req)
		}
		if !s.pause(hr.Context(), reply.hang, reply.delay) {
			return
		}
		maps.Copy(w.Header(), reply.header)
		switch {
		case reply.status != 0 && reply.body != "":
			writeJSON(w, reply.status, json.RawMessage(reply.body))
		case reply.status != 0:
			writeJSON(w, reply.status, p.errorBody(reply.status))
		case req.Stream:
			s.stream(w, hr, reply, p.stream(s.next(), req, reply))
		default:
			writeJSON(w, http.StatusOK, p.whole(s.next(), req, reply))
		}
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// next returns the number of the next reply.
func (s *Server) next() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	return s.serial
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
	if step, ok := s.takeOf(r); ok {
		return step
	}
	if len(s.steps) == 0 {
		return s.otherwise
	}
	step := s.steps[0]
	s.steps = s.steps[1:]
	return step
}

// pause waits for d, or without end if hang is set. It returns false if the caller or the server is gone.
func (s *Server) pause(ctx context.Context, hang bool, d time.Duration) bool {
	var late <-chan time.Time
	if !hang {
		if d == 0 {
			return true
		}
		timer := time.NewTimer(d)
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

// stream writes frames as server-sent events, with the fault that the reply asks for.
func (s *Server) stream(w http.ResponseWriter, hr *http.Request, r Reply, frames []frame) {
	w.Header().Set("Content-Type", "text/event-stream")
	flush := func() {
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
	}
	for i, f := range frames {
		if i > 0 && !s.pause(hr.Context(), false, r.pace) {
			return
		}
		if i == r.after {
			switch r.fault {
			case faultCut:
				panic(http.ErrAbortHandler) // closes the connection in the middle of the body
			case faultStall:
				flush()
				s.pause(hr.Context(), true, 0)
				return
			case faultTrash:
				_, _ = io.WriteString(w, "data: {this is not JSON\n\n")
			case faultNone:
			}
		}
		data, ok := f.data.(string)
		if !ok {
			b, _ := json.Marshal(f.data)
			data = string(b)
		}
		if f.event != "" {
			_, _ = fmt.Fprintf(w, "event: %s\n", f.event)
		}
		_, _ = fmt.Fprintf(w, "data: %s\n\n", data)
		flush()
	}
}
