package generic

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/recipe"
	"muster/internal/status"
	"muster/internal/text"
)

const (
	// noteLimit is the maximum length of a note in bytes.
	noteLimit = 300
	// nameLimit is the maximum length of a name or id in bytes.
	nameLimit = 200
	// nobody is the conversation of a payload that names none: its records are evidence only.
	nobody = "?"
)

// hookState is one call of a hook.
type hookState struct {
	agent.Hooked
	launchFile
	in any // the payload
}

// Hook implements agent.Adapter. What the hooks of a generation mean is in its files. It returns 0 whatever is missing or broken,
// so that the agent is never disturbed.
func (adapter) Hook(ctx context.Context, h agent.HookCall) int {
	return agent.Undisturbed(func() int {
		var raw json.RawMessage
		hooked, ok := agent.OpenHook(h, &raw)
		if !ok || h.Event == "" {
			return 0
		}
		s := &hookState{Hooked: hooked}
		if s.launchFile, ok = readLaunch(s.Files.RO()); !ok {
			return 0
		}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		_ = d.Decode(&s.in) // without a payload the event's name is all that is known
		s.handle(ctx)
		return 0
	})
}

// field returns a field of the payload as a text; "" if it has none.
func (s *hookState) field(name string) string { return recipe.First(s.in, s.Recipe.Fields[name]) }

// toolName, input and class are about the tool of the payload.
func (s *hookState) toolName() string { return text.Field(s.field("tool"), nameLimit) }

func (s *hookState) input() json.RawMessage {
	if raw := recipe.Raw(s.in, s.Recipe.Fields["input"]); raw != nil {
		return raw
	}
	return json.RawMessage("{}")
}

func (s *hookState) class() event.ToolClass { return s.Recipe.Tools[s.field("tool")] }

// handle translates one event of the agent.
func (s *hookState) handle(ctx context.Context) {
	meanings, known := s.Recipe.Events[s.Event]
	if !known {
		meanings = []event.RecipeEvent{{State: event.MeansWorking}} // something happens
	}
	m, ok := recipe.Match(meanings, s.in)
	if !ok {
		return
	}
	s.noteSession()
	switch m.State {
	case event.MeansPrompted:
		s.prompted()
	case event.MeansWorking:
		s.goesOn(event.Record{State: event.RecordWorking, Note: s.note(m)})
	case event.MeansTool:
		s.toolBegins(ctx, m)
	case event.MeansToolEnded:
		s.toolEnded(ctx, m)
	case event.MeansWaiting:
		if m.Allow != "" {
			s.permission(ctx, m)
			return
		}
		s.write(s.recordOf(m))
	case event.MeansIdle, event.MeansInterrupted, event.MeansDone, event.MeansError, event.MeansLimited, event.MeansEnded:
		s.Asked().CloseAll()
		s.write(s.recordOf(m))
	case event.MeansNothing:
	}
}

// note returns the note of an event.
func (s *hookState) note(m event.RecipeEvent) string {
	if m.Note != "" {
		return text.Line(recipe.Text(s.in, m.Note), noteLimit)
	}
	return ""
}

func (s *hookState) recordOf(m event.RecipeEvent) event.Record {
	r := recordOf(m, s.in)
	if r.Note == "" {
		r.Note = text.Line(s.field("message"), noteLimit)
	}
	r.Tool = s.toolName()
	if r.State != event.RecordWaiting {
		r.Tool = ""
	}
	return r
}

// recordOf returns the record of a meaning that says how the turn stands.
func recordOf(m event.RecipeEvent, doc any) event.Record {
	r := event.Record{}
	if m.Note != "" {
		r.Note = text.Line(recipe.Text(doc, m.Note), noteLimit)
	}
	switch m.State {
	case event.MeansIdle:
		r.State = event.RecordIdle
	case event.MeansInterrupted:
		r.State, r.Interrupted = event.RecordIdle, true
	case event.MeansDone:
		r.State = event.RecordDone
	case event.MeansWaiting:
		r.State, r.Reason = event.RecordWaiting, m.Reason
	case event.MeansError:
		r.State, r.Error = event.RecordError, m.Error
	case event.MeansLimited:
		r.State, r.Until = event.RecordLimited, until(recipe.Text(doc, m.Until))
		if r.Until.IsZero() { // an end that cannot be read is none
			r.State, r.Error = event.RecordError, event.ErrorRateLimit
		}
	case event.MeansEnded:
		r.State = event.RecordExited
	default:
		r.State = event.RecordWorking
	}
	return r
}

// until returns the time of a text: RFC 3339, or seconds or milliseconds since 1970; the zero time if it is none of them.
func until(s string) time.Time {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC()
	}
	n, err := strconv.ParseFloat(s, 64)
	const milliseconds = 1e11 // as seconds the year 5138
	switch {
	case err != nil || n <= 0 || n > 1e14:
		return time.Time{}
	case n >= milliseconds:
		return time.UnixMilli(int64(n)).UTC()
	}
	return time.Unix(int64(n), 0).UTC()
}

// write appends a record with the fields that every record has. An error is ignored, because a status file that cannot be
// written must not stop the agent.
func (s *hookState) write(r event.Record) {
	r.Time, r.Gen, r.SessionID = time.Now().UTC(), s.Gen, s.conversation()
	if r.Src == "" {
		r.Src = event.SrcHook
	}
	if path := s.field("transcript"); filepath.IsAbs(path) && len(path) < 1<<12 {
		r.Transcript = path
	}
	_ = status.Append(s.StatusFile, r)
}

// conversation returns muster's id of the conversation if the payload is of it, and the agent's own id otherwise.
func (s *hookState) conversation() string {
	if s.Recipe.Session == event.SessionNone {
		return ""
	}
	id := text.Field(s.field("session"), nameLimit)
	switch {
	case id == "":
		return nobody
	case id == s.agentID():
		return s.Conversation
	case id == s.Conversation:
		return nobody // muster's id is no secret, and it is not this agent's
	}
	return id
}

// agentID returns the agent's id of the task's conversation; "" if it is not known.
func (s *hookState) agentID() string {
	if s.Recipe.Session == event.SessionReported {
		return sessionIn(s.Files)
	}
	return s.Recipe.Session.ID(s.Conversation)
}

// own reports whether the payload is of the task's conversation.
func (s *hookState) own() bool {
	return s.Recipe.Session == event.SessionNone || s.conversation() == s.Conversation
}

// goesOn writes a record of continued work, unless another tool waits for a person.
func (s *hookState) goesOn(r event.Record) { s.Asked().GoesOn(s.key(), r, s.write) }

// key returns the key of the tool's use. It is named after its content.
func (s *hookState) key() string {
	sum := sha256.Sum256(append([]byte(s.field("tool_id")+"\n"+s.field("tool")+"\n"), s.input()...))
	return hex.EncodeToString(sum[:16])
}

// useID returns the id that pairs the begin and the end of a use of a tool.
func (s *hookState) useID() string {
	if id := text.Field(s.field("tool_id"), nameLimit); id != "" {
		return id
	}
	return s.key()
}

// prompted reports the start of a turn with the messages in its prompt, one record each.
func (s *hookState) prompted() {
	ids := agent.Tags(s.field("prompt"))
	if s.own() {
		s.journal(ids)
	}
	agent.Prompted(ids, event.Record{}, s.goesOn)
}

// toolBegins reports the start of a tool, refuses what would change something that is not the agent's alone, and asks about what
// a rule does not allow.
func (s *hookState) toolBegins(ctx context.Context, m event.RecipeEvent) {
	if m.Deny != "" && s.class() == event.ToolRun && agent.ChangesStash(s.field("command")) {
		s.goesOn(event.Record{State: event.RecordWorking}) // no tool begins
		s.say(recipe.Answer(m.Deny, "reason", agent.StashRefusal))
		return
	}
	named := adapter{kind: s.Kind, recipe: &s.Recipe}
	if m.Deny != "" && s.own() && agent.RuleDecides(s.Files, named, s.field("tool"), s.input(), s.Worktree) {
		s.permission(ctx, m)
		return
	}
	s.goesOn(event.Record{State: event.RecordWorking, Tool: s.toolName(), ToolUseID: s.useID()})
}

// toolEnded reports the end of a tool, and runs the checks for edits after an edit.
func (s *hookState) toolEnded(ctx context.Context, m event.RecipeEvent) {
	s.Asked().Close(s.key())
	s.goesOn(event.Record{State: event.RecordWorking, ToolUseID: s.useID()})
	if m.Words == "" || s.class() != event.ToolEdit || !s.own() {
		return
	}
	if red := (agent.Edit{Box: s.Box(), Scratch: s.Files.RW(), Worktree: s.Worktree, Path: s.field("path")}).Check(ctx); red != "" {
		s.say(recipe.Answer(m.Words, "words", red))
	}
}

// noteOf returns the beginning of the key of a note about a request: the agent's own, or the one of the hook before the tool.
func noteOf(own bool) string {
	if own {
		return "own-"
	}
	return ""
}

// permission holds a request open until it is decided, and answers. Without an answer the agent's own dialog opens. A request of
// another conversation is not the task's, and the agent decides it as it would without muster.
func (s *hookState) permission(ctx context.Context, m event.RecipeEvent) {
	if !s.own() {
		return
	}
	tool := s.toolName()
	ask := event.NewAsk(tool, s.input())
	reply := func(a mail.Answer) {
		if why := agent.Refusal(ask, a); why != "" {
			s.say(recipe.Answer(m.Deny, "reason", why))
		} else {
			s.say(m.Allow)
		}
	}
	// Of the agent's own request and the hook before the tool, the first asks for both.
	own := m.State == event.MeansWaiting
	on := event.Record{State: event.RecordWorking, Tool: tool, ToolUseID: s.useID()}
	if s.AllowedBefore(ctx, noteOf(!own)+s.use(), s.askedBefore) {
		if !own {
			s.goesOn(on)
		}
		s.say(m.Allow)
		return
	}
	if agent.UseGrant(s.Home, s.Task, s.Gen, ask) {
		reply(mail.Answer{Decision: mail.Allow, Hash: ask.Hash})
		return
	}
	r := event.Record{State: event.RecordWaiting, Reason: event.WaitPermission, Tool: tool, ToolUseID: s.useID(), Note: s.permissionNote()}
	request := mail.NewRequest()
	if payload, err := json.Marshal(s.in); err == nil && (!own || m.Ahead) {
		s.NoteAsked(noteOf(own)+s.use(), request, payload)
	}
	answer, ok := s.Hold(ctx, s.key(), request, ask, r, on, s.write)
	if !ok {
		s.Asked().Close(s.key())
		return
	}
	reply(answer)
}

// use returns a hash of what each event about one use of a tool has: the command of a shell, or else the whole input without the
// words about it.
func (s *hookState) use() string {
	input := []byte(s.input())
	var in map[string]json.RawMessage
	switch command := s.field("command"); {
	case s.class() == event.ToolRun && command != "":
		input, _ = json.Marshal(map[string]string{"command": command})
	case json.Unmarshal(input, &in) == nil:
		delete(in, "description")
		input, _ = json.Marshal(in)
	}
	return event.NewAsk(s.toolName(), input).Hash
}

// askedBefore returns what was asked for by a payload of an earlier event, if it was about the use of the tool that s is about.
func (s *hookState) askedBefore(payload []byte) (event.Ask, bool) {
	before := *s
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if d.Decode(&before.in) != nil || before.use() != s.use() {
		return event.Ask{}, false
	}
	return event.NewAsk(before.toolName(), before.input()), true
}

// permissionNote describes what the tool wants to do.
func (s *hookState) permissionNote() string {
	what := s.field("command")
	if what == "" {
		what = s.field("path")
	}
	if what == "" {
		what = string(s.input())
	}
	return text.Line(s.toolName()+": "+what, noteLimit)
}

// say writes an answer for the agent to standard output.
func (s *hookState) say(answer string) {
	if answer != "" {
		_, _ = fmt.Fprintln(s.Stdout, answer)
	}
}
