package model

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// Step answers one call of an agent's turn.
type Step func(Request) Reply

// Reply is the answer of the model, in no protocol's form. The functions below make one.
type Reply struct {
	parts  []part
	status int           // an HTTP error instead of an answer
	body   string        // of the error, instead of the protocol's own
	header http.Header   // further headers
	delay  time.Duration // before the first byte
	pace   time.Duration // between two events of a stream
	hang   bool          // accept and never answer
	usage  Usage
	fault  fault // in the middle of a stream
	after  int   // number of events ahead of the fault
}

// part is a text or the use of a tool.
type part struct {
	text  string
	tool  string // name of the tool; "" in a text
	input any
}

// args returns the input of a tool as JSON.
func (p part) args() string {
	b, _ := json.Marshal(p.input)
	return string(b)
}

// fault is what goes wrong in the middle of a stream.
type fault int

const (
	faultNone  fault = iota
	faultCut         // the connection is closed
	faultStall       // nothing more comes
	faultTrash       // an event is not JSON; the others follow
)

// Usage is the usage that a reply reports, in tokens. Input is without the cached tokens.
type Usage struct {
	Input, Output, CacheRead, CacheWrite int64
}

// Say returns a reply with one text.
func Say(text string) Reply {
	return Reply{parts: []part{{text: text}}}
}

// Use returns a reply that uses one tool. input is marshalled to the tool's input object.
func Use(tool string, input any) Reply { return Reply{}.AndUse(tool, input) }

// AndUse adds the use of a tool to a reply.
func (r Reply) AndUse(tool string, input any) Reply {
	r.parts = append(slices.Clip(r.parts), part{tool: tool, input: input})
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

// Paced pauses between two events of a streamed reply.
func (r Reply) Paced(d time.Duration) Reply {
	r.pace = d
	return r
}

// CutAfter closes the connection after n events of a streamed reply.
func (r Reply) CutAfter(n int) Reply {
	r.fault, r.after = faultCut, n
	return r
}

// StallAfter keeps the connection open after n events of a streamed reply and sends nothing more.
func (r Reply) StallAfter(n int) Reply {
	r.fault, r.after = faultStall, n
	return r
}

// TrashAfter sends an event that is not JSON after n events of a streamed reply.
func (r Reply) TrashAfter(n int) Reply {
	r.fault, r.after = faultTrash, n
	return r
}

// Fail returns a reply with an HTTP error in the protocol's form.
func Fail(status int) Reply { return Reply{status: status} }

// FailWith returns a reply with an HTTP error and a body of its own, in JSON.
func FailWith(status int, body string) Reply { return Reply{status: status, body: body} }

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

// usesTool reports whether the reply uses a tool.
func (r Reply) usesTool() bool {
	return slices.ContainsFunc(r.parts, func(p part) bool { return p.tool != "" })
}

// reported returns the usage that the reply reports.
func (r Reply) reported() Usage {
	if r.usage == (Usage{}) {
		return Usage{Input: 10, Output: 5}
	}
	return r.usage
}
