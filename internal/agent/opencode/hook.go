package opencode

import (
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/mail"
	"muster/internal/proof"
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
	// maxPayload bounds one payload, in bytes; a tool's payload may contain a whole file.
	maxPayload = 64 << 20
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
	agent.HookCall
	in        payload
	task      event.TaskID
	gen       int
	home      home.Dir
	files     home.Gen
	worktree  string
	file      string        // status file
	waitLimit time.Duration // how long a request stays open
}

// Hook implements agent.Adapter. It returns 0 whatever is missing or broken, so that the agent is never disturbed.
func (adapter) Hook(ctx context.Context, h agent.HookCall) (code int) {
	defer func() {
		if recover() != nil {
			code = 0 // the agent's work goes on, and the lack of a record is seen by the fleet
		}
	}()
	if s, ok := newHookState(h); ok {
		s.handle(ctx)
	}
	return 0
}

// newHookState reads the environment and the payload. It returns false if the caller is not an agent of this fleet.
func newHookState(h agent.HookCall) (*hookState, bool) {
	if h.Getenv == nil {
		return nil, false
	}
	if h.Stdout == nil {
		h.Stdout = io.Discard
	}
	me, ok := environ.ReadAgent(h.Getenv)
	if !ok {
		return nil, false
	}
	s := &hookState{
		HookCall: h, task: me.Task, gen: me.Gen, home: home.Dir(me.Home), worktree: me.Worktree, file: me.StatusFile, waitLimit: me.Wait,
	}
	s.files = s.home.Gen(s.task, s.gen)
	if s.file == "" {
		s.file = s.home.StatusFile(s.task, s.gen)
	}
	if h.Stdin == nil {
		return s, true
	}
	b, err := io.ReadAll(io.LimitReader(h.Stdin, maxPayload))
	if err == nil {
		_ = json.Unmarshal(b, &s.in) // a truncated payload leaves fields empty; the event's name is enough
	}
	return s, true
}

// box returns the mailbox of this generation, which believes only what the log has.
func (s *hookState) box() mail.Box { return proof.Box(s.home, s.task, s.gen) }

// write appends a record with the fields that every record has. An error is ignored, because a status file that
// cannot be written must not stop the agent.
func (s *hookState) write(r event.Record) {
	r.Time, r.Gen, r.SessionID = time.Now().UTC(), s.gen, s.conversation()
	if r.Src == "" {
		r.Src = agent.SrcHook
	}
	_ = status.Append(s.file, r)
}

// conversation returns the pinned id if the event is from the task's conversation, and otherwise the agent's id of the
// other one.
func (s *hookState) conversation() string {
	own, err := regular.Read(filepath.Join(s.files.RW(), sessionName), 1<<10)
	if err != nil || s.in.Session == "" || strings.TrimSpace(string(own)) != s.in.Session {
		return s.in.Session
	}
	var l launchFile
	b, err := regular.Read(filepath.Join(s.files.RO(), launchName), maxPayload)
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
		s.asked().Close(id)
		s.goesOn(event.Record{State: event.RecordWorking, Request: id})
	case eventIdle:
		s.write(event.Record{State: event.RecordIdle})
	case eventInterrupted:
		// Like the status file of another kind of agent: it says that the turn is over, and not how.
		s.write(event.Record{State: event.RecordIdle, Src: agent.SrcStatusFile, Note: "the turn was interrupted"})
	case eventError:
		s.write(turnError(s.in.Error, time.Now()))
	case eventLimited:
		s.write(event.Record{
			State: event.RecordLimited, Until: time.UnixMilli(s.in.Next).UTC().Add(limitMargin), Note: text.Line(s.in.Text, noteLimit),
		})
	case eventFailed:
		s.write(event.Record{State: event.RecordError, Error: event.ErrorOther, Note: text.Line("not handed over: "+s.in.Text, noteLimit)})
	case eventWait:
		s.wait(ctx)
	}
}

// prompted reports the start of a turn with the messages in its prompt, one record each.
func (s *hookState) prompted() {
	ids := agent.Tags(s.in.Text)
	if len(ids) == 0 {
		s.goesOn(event.Record{State: event.RecordWorking, Prompted: true, PromptID: s.in.Message})
		return
	}
	for i, id := range ids {
		s.goesOn(event.Record{State: event.RecordWorking, Prompted: i == 0, Message: id, PromptID: s.in.Message})
	}
}

// toolBegins reports the start of a tool, or refuses what would change something that is not the agent's alone.
func (s *hookState) toolBegins() {
	var in struct {
		Command string `json:"command"`
	}
	if s.in.Tool == "bash" && json.Unmarshal(s.in.Input, &in) == nil && agent.ChangesStash(in.Command) {
		s.goesOn(event.Record{State: event.RecordWorking}) // no tool begins
		s.reply(map[string]any{"deny": agent.StashRefusal})
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
		Box: s.box(), Scratch: s.files.RW(), Worktree: s.worktree, Path: in.File,
		Private: []string{contentVariable, fileVariable, "OPENCODE", "OPENCODE_PID", "OPENCODE_RUN_ID", "OPENCODE_PROCESS_ROLE"},
	}.Check(ctx)
	if red != "" {
		s.reply(map[string]any{"words": red})
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

// goesOn writes a record of continued work. While a request waits for a person it writes nothing but acknowledgements and
// the end of another wait, each followed by the open one.
func (s *hookState) goesOn(r event.Record) {
	other, asks := s.asked().Other("")
	switch {
	case !asks:
		s.write(r)
	case r.Request != "" || r.Message != "":
		s.write(r)
		s.write(other)
	}
}

// reply writes an answer for the plugin as JSON to standard output.
func (s *hookState) reply(v any) {
	b, err := json.Marshal(v)
	if err == nil {
		_, _ = s.Stdout.Write(append(b, '\n'))
	}
}
