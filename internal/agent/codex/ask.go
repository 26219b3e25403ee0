package codex

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/regular"
	"muster/internal/text"
)

// askedDir is the directory of open requests in home.Gen.RW, one file for each.
const askedDir = "asked"

// lookAgain is how often a waiting hook checks whether its request is still open.
const lookAgain = time.Second

// permission holds a permission request open until it is answered through the mailbox, and replies. The agent shows no
// dialog meanwhile. If no answer comes, it ends without a decision, and the dialog opens for a person.
func (s *hookState) permission(ctx context.Context, reply func(event.Ask, mail.Answer)) {
	ask := event.NewAsk(s.in.ToolName, s.in.ToolInput)
	if agent.UseGrant(s.home, s.task, s.gen, ask) {
		reply(ask, mail.Answer{Decision: mail.Allow, Hash: ask.Hash})
		return
	}
	id := mail.NewRequest()
	r := s.tool(event.RecordWaiting)
	r.Request, r.Reason, r.Note = id, event.WaitPermission, permissionNote(s.in)
	// Without this file the request can be neither shown nor allowed.
	_ = s.box().Ask(id, ask)
	noted := s.openRequest(r)
	s.write(r)
	answer, ok := s.awaitAnswer(ctx, id, noted)
	if !ok {
		return
	}
	reply(ask, answer)
	s.closeRequest()
	// The agent continues when this process ends, so no later record can overtake this one.
	done := s.tool(event.RecordWorking)
	done.Request = id
	s.goesOn(done)
}

// awaitAnswer waits for the answer while the request is open and the agent lives.
func (s *hookState) awaitAnswer(ctx context.Context, id string, noted bool) (mail.Answer, bool) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.waitLimit, defaultWait)+waitGrace)
	defer cancel()
	for ctx.Err() == nil && (!noted || s.requestOpen()) {
		slice, cancel := context.WithTimeout(ctx, lookAgain)
		answer, err := s.box().AwaitWhile(slice, id, s.PPID)
		cancel()
		if err == nil {
			return answer, true
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			return mail.Answer{}, false
		}
	}
	return mail.Answer{}, false
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
	if why := refusal(ask, a); why != "" {
		decision = map[string]any{"behavior": "deny", "message": why}
	}
	s.reply(map[string]any{"hookSpecificOutput": map[string]any{"hookEventName": "PermissionRequest", "decision": decision}})
}

// replyUse answers before a tool of which a rule of the fleet decides. The agent's own rules apply to what is allowed.
func (s *hookState) replyUse(ask event.Ask, a mail.Answer) {
	if why := refusal(ask, a); why != "" {
		s.denyUse(why)
	}
}

// denyUse refuses a tool before it runs.
func (s *hookState) denyUse(why string) {
	s.reply(map[string]any{"hookSpecificOutput": map[string]string{
		"hookEventName": "PreToolUse", "permissionDecision": "deny", "permissionDecisionReason": why,
	}})
}

// refusal returns why a request is refused, for the model; "" if it is allowed. It is allowed only if it was shown
// completely to the person: the answer must have the hash of the request.
func refusal(ask event.Ask, a mail.Answer) string {
	switch {
	case a.Allows(ask.Hash) && !ask.Cut:
		return ""
	case a.Decision != mail.Deny:
		return "This was not allowed: the answer was given to a request with another text. Ask again, in a shorter form if it is long."
	case a.Text == "":
		return "This was not allowed. Nobody is there to ask: go on another way."
	}
	return a.Text
}

// askedFile returns the path of the file for this request. The agent gives it no id, so it is named after its content.
func (s *hookState) askedFile() string {
	sum := sha256.Sum256([]byte(s.in.ToolName + "\n" + string(s.in.ToolInput)))
	return filepath.Join(s.files.RW(), askedDir, hex.EncodeToString(sum[:16]))
}

// openRequest stores an open request. It reports whether that worked.
func (s *hookState) openRequest(r event.Record) bool {
	path := s.askedFile()
	b, err := json.Marshal(r)
	return err == nil && os.MkdirAll(filepath.Dir(path), 0o700) == nil && os.WriteFile(path, b, 0o600) == nil
}

// requestOpen reports whether this request is still open.
func (s *hookState) requestOpen() bool {
	_, err := os.Stat(s.askedFile())
	return err == nil
}

// goesOn writes a record of continued work. While another tool waits for a person it writes nothing, except that a
// record that ends a wait of its own is followed by the other wait.
func (s *hookState) goesOn(r event.Record) {
	other, asks := s.otherRequest()
	switch {
	case !asks:
		s.write(r)
	case r.Request != "":
		s.write(r)
		s.write(other)
	}
}

// otherRequest returns a request that is open for another tool.
func (s *hookState) otherRequest() (event.Record, bool) {
	dir := filepath.Join(s.files.RW(), askedDir)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		return event.Record{}, false
	}
	own := filepath.Base(s.askedFile())
	for _, e := range entries {
		var r event.Record
		b, err := regular.Read(filepath.Join(dir, e.Name()), 1<<20)
		if e.Name() != own && err == nil && json.Unmarshal(b, &r) == nil {
			return r, true
		}
	}
	return event.Record{}, false
}

// closeRequest removes this request, and closeAllRequests every one: the agent takes no prompt while one is open.
func (s *hookState) closeRequest()     { _ = os.Remove(s.askedFile()) }
func (s *hookState) closeAllRequests() { _ = os.RemoveAll(filepath.Join(s.files.RW(), askedDir)) }
