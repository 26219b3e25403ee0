package model

import "slices"

// Conversation is the script of the conversations that have a text, such as a word of their prompt. Several agents can talk to one
// server at the same time, each by a script of its own.
type Conversation struct {
	s     *Server
	text  string
	steps []Step
	calls []Request
}

// Conversation returns a script for the conversations that have a text. It comes before the common script, and answers "ok" once
// it is used up. Of several that fit, the oldest counts.
func (s *Server) Conversation(text string, script ...Step) *Conversation {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Conversation{s: s, text: text, steps: script}
	s.conversations = append(s.conversations, c)
	return c
}

// Script replaces the rest of the script.
func (c *Conversation) Script(steps ...Step) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.steps = steps
}

// Requests returns the calls of the conversation so far, oldest first, without helper calls.
func (c *Conversation) Requests() []Request {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return slices.Clone(c.calls)
}

// Forever returns a step that fails until Script replaces it.
func (c *Conversation) Forever(r Reply) Step {
	return func(Request) Reply {
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		c.steps = append([]Step{c.Forever(r)}, c.steps...)
		return r
	}
}

// takeOf records a call and returns its step if it is of a conversation with a script. The caller holds the lock.
func (s *Server) takeOf(r Request) (Step, bool) {
	for _, c := range s.conversations {
		if !r.Contains(c.text) {
			continue
		}
		c.calls = append(c.calls, r)
		if len(c.steps) == 0 {
			return nil, true
		}
		step := c.steps[0]
		c.steps = c.steps[1:]
		return step, true
	}
	return nil, false
}
