package codex

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/text"
)

// permission holds a permission request open until it is answered through the mailbox, and replies. The agent shows no
// dialog meanwhile. If no answer comes, it ends without a decision, and the dialog opens for a person.
func (s *hookState) permission(ctx context.Context, reply func(event.Ask, mail.Answer)) {
	ask := event.NewAsk(s.in.ToolName, s.in.ToolInput)
	if s.Event == "PermissionRequest" && s.allowedBefore(ctx) {
		reply(ask, mail.Answer{Decision: mail.Allow, Hash: ask.Hash})
		return
	}
	if agent.UseGrant(s.Home, s.Task, s.Gen, ask) {
		reply(ask, mail.Answer{Decision: mail.Allow, Hash: ask.Hash})
		return
	}
	r := s.tool(event.RecordWaiting)
	r.Reason, r.Note = event.WaitPermission, permissionNote(s.in)
	request := mail.NewRequest()
	if s.Event == "PreToolUse" {
		s.NoteAsked(ask.Hash, request, nil)
	}
	if answer, ok := s.Hold(ctx, s.key(), request, ask, r, s.tool(event.RecordWorking), s.write); ok {
		reply(ask, answer)
	}
}

// allowedBefore reports whether a person has just allowed what the agent asks a permission for, before the tool. It counts once. The
// agent's own request has a description in addition.
func (s *hookState) allowedBefore(ctx context.Context) bool {
	var in map[string]json.RawMessage
	if json.Unmarshal(s.in.ToolInput, &in) != nil {
		return false
	}
	delete(in, "description")
	input, err := json.Marshal(in)
	if err != nil {
		return false
	}
	ask := event.NewAsk(s.in.ToolName, input)
	return s.AllowedBefore(ctx, ask.Hash, func([]byte) (event.Ask, bool) { return ask, true })
}

// permissionNote describes what the tool wants to do.
func permissionNote(in payload) string {
	var f struct {
		Command     string `json:"command"`
		Description string `json:"description"`
	}
	_ = json.Unmarshal(in.ToolInput, &f)
	switch {
	case f.Command != "" && f.Description != "":
		return text.Line(in.ToolName+": "+f.Command+" ("+f.Description+")", noteLimit)
	case f.Command != "":
		return text.Line(in.ToolName+": "+f.Command, noteLimit)
	}
	return text.Line(in.ToolName+" "+string(in.ToolInput), noteLimit)
}

// replyPermission answers the agent's own request. A refusal has a reason that lets the agent try another way.
func (s *hookState) replyPermission(ask event.Ask, a mail.Answer) {
	decision := map[string]any{"behavior": "allow"}
	if why := agent.Refusal(ask, a); why != "" {
		decision = map[string]any{"behavior": "deny", "message": why}
	}
	s.Reply(map[string]any{"hookSpecificOutput": map[string]any{"hookEventName": "PermissionRequest", "decision": decision}})
}

// replyUse answers before a tool of which a rule of the fleet decides. The agent's own rules apply to what is allowed.
func (s *hookState) replyUse(ask event.Ask, a mail.Answer) {
	if why := agent.Refusal(ask, a); why != "" {
		s.denyUse(why)
	}
}

// denyUse refuses a tool before it runs.
func (s *hookState) denyUse(why string) {
	s.Reply(map[string]any{"hookSpecificOutput": map[string]string{
		"hookEventName": "PreToolUse", "permissionDecision": "deny", "permissionDecisionReason": why,
	}})
}

// key returns the key of this request. The agent gives it no id, so it is named after its content.
func (s *hookState) key() string {
	sum := sha256.Sum256([]byte(s.in.ToolName + "\n" + string(s.in.ToolInput)))
	return hex.EncodeToString(sum[:16])
}

// goesOn writes a record of continued work, unless another tool waits for a person.
func (s *hookState) goesOn(r event.Record) { s.Asked().GoesOn(s.key(), r, s.write) }
