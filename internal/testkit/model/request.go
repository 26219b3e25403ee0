package model

import (
	"encoding/json"
	"strings"
)

// Request is one call that the agent made to the model.
type Request struct {
	Path     string    // "/v1/messages" and the like
	Model    string    // as the agent named it
	Stream   bool      // it asked for server-sent events
	System   string    // all system texts, joined by newlines
	Messages []Message // the whole conversation, oldest first
	Tools    []string  // names of the tools on offer
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

// parseRequest parses the body of a call. A call without tools is a helper, because the agent's own turns always have
// some.
func parseRequest(path string, body []byte) (Request, error) {
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
