package model

import "strings"

// Request is one call that the agent made to the model.
type Request struct {
	Path     string    // "/v1/messages" and the like
	Model    string    // as the agent named it
	Stream   bool      // it asked for server-sent events
	System   string    // all system texts, joined by newlines
	Messages []Message // the whole conversation, oldest first
	Tools    []string  // names of the tools on offer
	Body     []byte    // as it was received
	Helper   bool      // a side call of the agent, such as one for a title; it uses no step of the script
}

// Message is one message of the conversation.
type Message struct {
	Role        string // "user", "assistant", or "system" for what the agent itself adds
	Texts       []string
	ToolResults []ToolResult
	ToolUses    []string // names of the tools used
}

// ToolResult is the result of a tool.
type ToolResult struct {
	ID      string
	Text    string
	IsError bool
}

// Last returns the newest message; the zero Message if there is none.
func (r Request) Last() Message {
	if len(r.Messages) == 0 {
		return Message{}
	}
	return r.Messages[len(r.Messages)-1]
}

// Contains reports whether a text or tool result anywhere in the conversation contains s.
func (r Request) Contains(s string) bool {
	for _, m := range r.Messages {
		if m.Contains(s) {
			return true
		}
	}
	return false
}

// Contains reports whether a text or tool result of the message contains s.
func (m Message) Contains(s string) bool {
	for _, t := range m.Texts {
		if strings.Contains(t, s) {
			return true
		}
	}
	for _, t := range m.ToolResults {
		if strings.Contains(t.Text, s) {
			return true
		}
	}
	return false
}
