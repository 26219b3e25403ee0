package opencode

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/regular"
	"muster/internal/status"
	"muster/internal/text"
)

// The events by which the plugin calls `muster hook opencode EVENT`.
const (
	eventPrompted    = "prompted"    // a prompt became part of the conversation
	eventToolBegins  = "tool-begins" // its answer may refuse the tool
	eventToolEnded   = "tool-ended"  // its answer may add to the tool's output
	eventToolFailed  = "tool-failed" // also a tool that was not allowed
	eventPermission  = "permission"  // waits for the answer
	eventQuestion    = "question"    // waits for the answer
	eventReplied     = "replied"     // a request was answered at the keyboard, or its turn is over
	eventIdle        = "idle"        // the turn is over
	eventInterrupted = "interrupted" // the turn was ended at the keyboard
	eventError       = "error"       // the turn was ended by an error
	eventLimited     = "limited"     // the agent would wait long for its next try; the plugin ends the turn
	eventFailed      = "failed"      // the plugin could not hand over a text
	eventWait        = "wait"        // waits for messages
)

const (
	// noteLimit is the maximum length of a note in bytes.
	noteLimit = 300
	// sessionName is the file in home.Gen.RW with the agent's id of the conversation. The plugin writes it.
	sessionName = "session"
)

// payload is what the plugin tells about an event.
type payload struct {
	Session string          `json:"session"` // the agent's id of the conversation
	Message string          `json:"message"` // the agent's id of a prompt
	Text    string          `json:"text"`
	Tool    string          `json:"tool"`
	Call    string          `json:"call"`
	Input   json.RawMessage `json:"input"` // of the tool
	Child   bool            `json:"child"` // within a subagent
	// Of a request:
	ID         string          `json:"id"`
	Permission string          `json:"permission"`
	Patterns   []string        `json:"patterns"`
	Metadata   json.RawMessage `json:"metadata"`
	Questions  []posed         `json:"questions"`
	// Of an error:
	Error apiError `json:"error"`
	Next  int64    `json:"next"` // when the agent would try again, in milliseconds since 1970
}

// hookState is one call of a hook.
type hookState struct {
	agent.Hooked
	in payload
}

// Hook implements agent.Adapter. It returns 0 whatever is missing or broken, so that the agent is never disturbed.
func (adapter) Hook(ctx context.Context, h agent.HookCall) int {
	return agent.Undisturbed(func() int {
		s := &hookState{}
		var ok bool
		if s.Hooked, ok = agent.OpenHook(h, &s.in); ok {
			s.handle(ctx)
		}
		return 0
	})
}

// write appends a record with the fields that every record has. An error is ignored, because a status file that
// cannot be written must not stop the agent.
func (s *hookState) write(r event.Record) {
	r.Time, r.Gen, r.SessionID = time.Now().UTC(), s.Gen, s.conversation()
	if r.Src == "" {
		r.Src = event.SrcHook
	}
	_ = status.Append(s.StatusFile, r)
}

// conversation returns the pinned id if the event is from the task's conversation, and otherwise the agent's id of the
// other one.
func (s *hookState) conversation() string {
	own, err := regular.Read(filepath.Join(s.Files.RW(), sessionName), 1<<10)
	if err != nil || s.in.Session == "" || strings.TrimSpace(string(own)) != s.in.Session {
		return s.in.Session
	}
	var l launchFile
	b, err := regular.Read(filepath.Join(s.Files.RO(), launchName), agent.MaxPayload)
	if err != nil || json.Unmarshal(b, &l) != nil {
		return s.in.Session
	}
	return l.Conversation
}

// handle translates one event.
func (s *hookState) handle(ctx context.Context) {
	switch s.Event {
	case eventPrompted:
		s.prompted()
	case eventToolBegins:
		s.toolBegins()
	case eventToolEnded, eventToolFailed:
		s.toolEnded(ctx)
	case eventPermission:
		s.permission(ctx)
	case eventQuestion:
		s.question(ctx)
	case eventReplied:
		id := s.requestID()
		s.Asked().Close(id)
		s.goesOn(event.Record{State: event.RecordWorking, Request: id})
	case eventIdle:
		s.write(event.Record{State: event.RecordIdle})
	case eventInterrupted:
		s.write(event.Record{State: event.RecordIdle, Interrupted: true, Note: "the turn was interrupted"})
	case eventError:
		s.write(turnError(s.in.Error, time.Now()))
	case eventLimited:
		s.write(event.Record{
			State: event.RecordLimited, UntilFrom: event.SourceRetryNext, Until: time.UnixMilli(s.in.Next).UTC().Add(agent.LimitMargin), Note: text.Line(s.in.Text, noteLimit),
		})
	case eventFailed:
		s.write(event.Record{State: event.RecordError, Error: event.ErrorOther, Note: text.Line("not handed over: "+s.in.Text, noteLimit)})
	case eventWait:
		s.wait(ctx)
	}
}

// prompted reports the start of a turn with the messages in its prompt, one record each.
func (s *hookState) prompted() {
	agent.Prompted(agent.Tags(s.in.Text), event.Record{PromptID: s.in.Message}, s.goesOn)
}

// toolBegins reports the start of a tool, or refuses what would change something that is not the agent's alone.
func (s *hookState) toolBegins() {
	var in struct {
		Command string `json:"command"`
	}
	if s.in.Tool == "bash" && json.Unmarshal(s.in.Input, &in) == nil && agent.ChangesStash(in.Command) {
		s.goesOn(event.Record{State: event.RecordWorking}) // no tool begins
		s.Reply(map[string]any{"deny": agent.StashRefusal})
		return
	}
	s.goesOn(event.Record{State: event.RecordWorking, Tool: s.in.Tool, ToolUseID: s.in.Call})
}

// toolEnded reports the end of a tool, and runs the checks for edits after an edit.
func (s *hookState) toolEnded(ctx context.Context) {
	s.goesOn(event.Record{State: event.RecordWorking, ToolUseID: s.in.Call})
	if s.Event != eventToolEnded || !isEdit(s.in.Tool) {
		return
	}
	var in struct {
		File string `json:"filePath"`
	}
	_ = json.Unmarshal(s.in.Input, &in)
	red := agent.Edit{
		Box: s.Box(), Scratch: s.Files.RW(), Worktree: s.Worktree, Path: in.File,
		Private: []string{contentVariable, fileVariable, "OPENCODE", "OPENCODE_PID", "OPENCODE_RUN_ID", "OPENCODE_PROCESS_ROLE"},
	}.Check(ctx)
	if red != "" {
		s.Reply(map[string]any{"words": red})
	}
}

// isEdit reports whether a tool writes files of the project.
func isEdit(tool string) bool {
	switch tool {
	case "edit", "write", "patch", "apply_patch", "multiedit":
		return true
	}
	return false
}

// goesOn writes a record of continued work, unless another tool waits for a person.
func (s *hookState) goesOn(r event.Record) { s.Asked().GoesOn("", r, s.write) }
