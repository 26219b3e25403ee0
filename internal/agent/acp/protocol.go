package acp

import (
	"encoding/json"
	"fmt"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/text"
)

// The methods of the protocol, version 1, that are used.
const (
	methodInitialize = "initialize"
	methodNew        = "session/new"
	methodLoad       = "session/load"   // replays the conversation
	methodResume     = "session/resume" // does not
	methodPrompt     = "session/prompt"
	methodCancel     = "session/cancel"
	methodOption     = "session/set_config_option"
	methodUpdate     = "session/update"             // from the agent
	methodPermission = "session/request_permission" // from the agent
)

// protocolVersion is the version that is spoken.
const protocolVersion = 1

// Codes of errors of JSON-RPC and of the protocol.
const (
	codeParse          = -32700
	codeInvalidRequest = -32600
	codeNoMethod       = -32601
	codeInvalidParams  = -32602
	codeAuth           = -32000
)

// message is one line in either direction: a call, a notification or an answer.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *callError      `json:"error,omitempty"`
}

// callError is the error of a call.
type callError struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

func (e *callError) Error() string {
	return fmt.Sprintf("%s (%d)", text.Line(e.Message, noteLimit), e.Code)
}

// refused reports whether the error says that the call was not understood, so that it had no effect.
func (e *callError) refused() bool {
	switch e.Code {
	case codeParse, codeInvalidRequest, codeNoMethod, codeInvalidParams:
		return true
	}
	return false
}

// kind returns what ended a turn.
func (e *callError) kind() event.ErrorKind {
	switch {
	case e.Code == codeAuth:
		return event.ErrorAuth
	case e.Code >= 400 && e.Code < 600:
		return agent.ErrorOf(e.Code, e.words())
	case agent.Says(e.words(), "unauthorized", "invalid api key", "invalid_api_key", "authentication", "not logged in", "401"):
		return event.ErrorAuth
	}
	return agent.ErrorOf(0, e.words())
}

// words returns all that the error says, in lower case.
func (e *callError) words() string { return lower(e.Message + "\n" + string(e.Data)) }

// initialized is the answer to methodInitialize.
type initialized struct {
	Version      int `json:"protocolVersion"`
	Capabilities struct {
		Load    bool `json:"loadSession"`
		Session struct {
			Resume json.RawMessage `json:"resume"`
		} `json:"sessionCapabilities"`
	} `json:"agentCapabilities"`
	Info struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	} `json:"agentInfo"`
}

// takesUp returns the method by which the agent takes up a conversation; "" if it cannot.
func (i initialized) takesUp() string {
	switch {
	case i.Capabilities.Load:
		return methodLoad
	case len(i.Capabilities.Session.Resume) > 0 && string(i.Capabilities.Session.Resume) != "null":
		return methodResume
	}
	return ""
}

// opened is the answer to methodNew, methodLoad, methodResume and methodOption.
type opened struct {
	Session string   `json:"sessionId"`
	Options []option `json:"configOptions"`
	// Models is of a draft of the protocol.
	Models struct {
		Current string `json:"currentModelId"`
	} `json:"models"`
}

// option is a setting of a conversation.
type option struct {
	ID       string          `json:"id"`
	Category string          `json:"category"`
	Current  json.RawMessage `json:"currentValue"`
}

// model returns the id of the option that chooses the model, and its value; "" if there is none.
func (o opened) model() (id, current string) {
	for _, opt := range o.Options {
		if opt.Category == "model" || opt.ID == "model" {
			_ = json.Unmarshal(opt.Current, &current)
			return opt.ID, current
		}
	}
	return "", o.Models.Current
}

// update is what the agent says about a turn.
type update struct {
	Session string `json:"sessionId"`
	Update  struct {
		Kind    string          `json:"sessionUpdate"`
		Content json.RawMessage `json:"content"` // a block of a chunk, or those of a tool
		Cost    struct {
			Amount   float64 `json:"amount"`
			Currency string  `json:"currency"`
		} `json:"cost"`
		toolCall
	} `json:"update"`
}

// block is a part of a message.
type block struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// toolCall is one use of a tool. Later parts have what has changed only.
type toolCall struct {
	ID        string          `json:"toolCallId"`
	Name      string          `json:"name"`
	Title     string          `json:"title"`
	Kind      string          `json:"kind"`
	Status    string          `json:"status"`
	Input     json.RawMessage `json:"rawInput"`
	Locations []struct {
		Path string `json:"path"`
	} `json:"locations"`
}

// over returns a call with what a later part of it has changed.
func (c toolCall) over(later toolCall) toolCall {
	set := func(old *string, v string) {
		if v != "" {
			*old = v
		}
	}
	set(&c.ID, later.ID)
	set(&c.Name, later.Name)
	set(&c.Title, later.Title)
	set(&c.Kind, later.Kind)
	set(&c.Status, later.Status)
	if len(later.Input) > 0 && string(later.Input) != "null" {
		c.Input = later.Input
	}
	if len(later.Locations) > 0 {
		c.Locations = later.Locations
	}
	return c
}

// tool returns the name of the tool for records and rules: its own, or the kind of what it does.
func (c toolCall) tool() string {
	for _, name := range []string{c.Name, c.Kind} {
		if name = text.Field(name, nameLimit); name != "" {
			return name
		}
	}
	return "other"
}

// permission is a request for a permission.
type permission struct {
	Session string   `json:"sessionId"`
	Tool    toolCall `json:"toolCall"`
	Options []struct {
		ID   string `json:"optionId"`
		Kind string `json:"kind"`
	} `json:"options"`
}

// choose returns the answer with an option of a kind. Without one the request counts as cancelled: an option that decides more than
// this one request is never taken.
func (p permission) choose(kind string) any {
	for _, o := range p.Options {
		if o.Kind == kind {
			return outcome(map[string]any{"outcome": "selected", "optionId": o.ID})
		}
	}
	return cancelled()
}

func outcome(v any) any { return map[string]any{"outcome": v} }

func cancelled() any { return outcome(map[string]any{"outcome": "cancelled"}) }

// turnEnd is the answer to methodPrompt.
type turnEnd struct {
	Reason string `json:"stopReason"`
	Usage  tokens `json:"usage"` // of the turn
	Meta   struct {
		Quota struct {
			Count struct {
				Input  int64 `json:"input_tokens"`
				Output int64 `json:"output_tokens"`
			} `json:"token_count"`
			Models []struct {
				Model string `json:"model"`
			} `json:"model_usage"`
		} `json:"quota"`
	} `json:"_meta"`
}

// tokens are the figures of a turn.
type tokens struct {
	Input      int64 `json:"inputTokens"`
	Output     int64 `json:"outputTokens"`
	Thought    int64 `json:"thoughtTokens"`
	CacheRead  int64 `json:"cachedReadTokens"`
	CacheWrite int64 `json:"cachedWriteTokens"`
}

// The reasons for which a turn ends.
const (
	stopRefusal   = "refusal"
	stopCancelled = "cancelled"
	stopEnd       = "end_turn"
)
