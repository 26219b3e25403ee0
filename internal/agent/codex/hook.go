package codex

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
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

const (
	// maxPayload bounds one payload, in bytes; a tool's payload may contain a whole file.
	maxPayload = 64 << 20
	// noteLimit is the maximum length of a note in bytes.
	noteLimit = 300
)

// payload is the part of a hook's payload that is used here.
type payload struct {
	SessionID      string          `json:"session_id"`
	TurnID         string          `json:"turn_id"`
	Transcript     string          `json:"transcript_path"`
	PermissionMode string          `json:"permission_mode"`
	Source         string          `json:"source"`
	Prompt         string          `json:"prompt"`
	ToolName       string          `json:"tool_name"`
	ToolInput      json.RawMessage `json:"tool_input"`
	ToolUseID      string          `json:"tool_use_id"`
	LastMessage    string          `json:"last_assistant_message"`
	Trigger        string          `json:"trigger"`
	Reason         string          `json:"reason"`
}

// hookState is one call of a hook.
type hookState struct {
	agent.HookCall
	in       payload
	task     event.TaskID
	gen      int
	home     home.Dir
	files    home.Gen
	worktree string
	file     string // status file
	// waitLimit is how long a request stays open.
	waitLimit time.Duration
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
	r.Time, r.Gen = time.Now().UTC(), s.gen
	if r.Src == "" {
		r.Src = agent.SrcHook
	}
	r.SessionID, r.PromptID = s.conversation(), s.in.TurnID
	r.Transcript, r.PermissionMode = s.in.Transcript, s.in.PermissionMode
	_ = status.Append(s.file, r)
}

// conversation returns muster's id of the conversation if the payload is of its thread, and the agent's own id otherwise.
func (s *hookState) conversation() string {
	if t := threadIn(s.files); t.ID != "" && t.ID == s.in.SessionID && t.Conversation != "" {
		return t.Conversation
	}
	return s.in.SessionID
}

// handle translates one event of the agent.
func (s *hookState) handle(ctx context.Context) {
	switch s.Event {
	case "SessionStart":
		s.sessionStart()
	case "UserPromptSubmit":
		s.prompted()
	case "PreToolUse":
		s.toolBegins(ctx)
	case "PreCompact":
		s.goesOn(s.tool(event.RecordWorking))
	case "PostToolUse":
		s.toolEnded(ctx)
	case "PermissionRequest":
		s.permission(ctx, s.replyPermission)
	case "PostCompact":
		state := event.RecordWorking
		if s.in.Trigger == "manual" { // a person started it, and no turn goes on
			state = event.RecordIdle
		}
		s.write(event.Record{State: state})
	case "Stop":
		s.stopped()
	case "Interrupt":
		s.asked().CloseAll()
		// A state and no end of a turn: nobody has said that the work is done.
		s.write(event.Record{State: event.RecordIdle, Src: agent.SrcStatusFile})
	case "SessionEnd":
		s.write(event.Record{State: event.RecordExited, Note: "session ended: " + text.Line(s.in.Reason, noteLimit)})
	}
}

// tool returns a record about the tool of the payload.
func (s *hookState) tool(state event.RecordState) event.Record {
	return event.Record{State: state, Tool: s.in.ToolName, ToolUseID: s.in.ToolUseID}
}

// sessionStart reports that the hooks work. The first session of a generation that was not told which thread to resume is
// the task's own.
func (s *hookState) sessionStart() {
	if planned, ok := readThread(s.files.RO()); ok && uuidPattern.MatchString(s.in.SessionID) && (planned.ID == "" || planned.ID == s.in.SessionID) {
		s.note(thread{ID: s.in.SessionID, Rollout: s.in.Transcript})
	}
	s.write(event.Record{State: event.RecordWorking})
}

// note writes the thread of the generation if none was noted yet. The link appears whole or not at all.
func (s *hookState) note(t thread) {
	if _, ok := readThread(s.files.RW()); ok {
		return
	}
	temp, err := os.CreateTemp(s.files.RW(), "thread-")
	if err != nil {
		return
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // a left-over does no harm
	_, err = temp.Write(t.encode())
	if closed := temp.Close(); err == nil && closed == nil {
		_ = os.Link(temp.Name(), filepath.Join(s.files.RW(), threadName))
	}
}

// prompted reports the start of a turn with the messages in its prompt, one record each.
func (s *hookState) prompted() {
	s.asked().CloseAll()
	ids := agent.Tags(s.in.Prompt)
	if len(ids) == 0 {
		s.write(event.Record{State: event.RecordWorking, Prompted: true})
		return
	}
	for i, id := range ids {
		s.write(event.Record{State: event.RecordWorking, Prompted: i == 0, Message: id})
	}
}

// stopped reports that the agent has ended its turn. Other Stop hooks run at the same time, and each may make the agent go
// on: the turn is over when the rollout file says so. Without that file this is the end.
func (s *hookState) stopped() {
	r := event.Record{State: event.RecordWorking, Stopping: true, Note: text.Line(s.in.LastMessage, noteLimit)}
	if f, err := regular.Open(s.in.Transcript); err != nil {
		r.State, r.Stopping = event.RecordIdle, false
	} else {
		_ = f.Close()
	}
	s.write(r)
}

// toolBegins tells the start of a tool, refuses what would change something that is not the agent's alone, and asks about
// what a rule does not allow.
func (s *hookState) toolBegins(ctx context.Context) {
	var in struct {
		Command string `json:"command"`
	}
	if s.in.ToolName == shellTool && json.Unmarshal(s.in.ToolInput, &in) == nil && agent.ChangesStash(in.Command) {
		s.goesOn(event.Record{State: event.RecordWorking}) // no tool begins
		s.denyUse(agent.StashRefusal)
		return
	}
	if agent.RuleDecides(s.files, adapter{}, s.in.ToolName, s.in.ToolInput, s.worktree) {
		s.permission(ctx, s.replyUse)
		return
	}
	s.goesOn(s.tool(event.RecordWorking))
}

// The agent's names of tools in hooks.
const (
	shellTool = "Bash"
	patchTool = "apply_patch"
)

// toolEnded reports the end of a tool, and runs the checks for edits after an edit.
func (s *hookState) toolEnded(ctx context.Context) {
	s.goesOn(event.Record{State: event.RecordWorking, ToolUseID: s.in.ToolUseID})
	if s.in.ToolName != patchTool {
		return
	}
	if red := (agent.Edit{Box: s.box(), Scratch: s.files.RW(), Worktree: s.worktree}).Check(ctx); red != "" {
		s.reply(map[string]any{"decision": "block", "reason": red})
	}
}

// reply writes a decision for the agent as JSON to standard output.
func (s *hookState) reply(v any) {
	b, err := json.Marshal(v)
	if err == nil {
		_, _ = s.Stdout.Write(append(b, '\n'))
	}
}
