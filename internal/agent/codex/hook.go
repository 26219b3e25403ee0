package codex

import (
	"context"
	"encoding/json"
	"time"

	"muster/internal/agent"
	"muster/internal/event"
	"muster/internal/regular"
	"muster/internal/status"
	"muster/internal/text"
)

const (
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
	r.Time, r.Gen = time.Now().UTC(), s.Gen
	if r.Src == "" {
		r.Src = event.SrcHook
	}
	r.SessionID, r.PromptID = s.conversation(), s.in.TurnID
	r.Transcript, r.PermissionMode = s.in.Transcript, s.in.PermissionMode
	_ = status.Append(s.StatusFile, r)
}

// conversation returns muster's id of the conversation if the payload is of its thread, and the agent's own id otherwise.
func (s *hookState) conversation() string {
	if t := threadIn(s.Files); t.ID != "" && t.ID == s.in.SessionID && t.Conversation != "" {
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
		s.Asked().CloseAll()
		s.write(event.Record{State: event.RecordIdle, Interrupted: true})
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
	if planned, ok := readThread(s.Files.RO()); ok && agent.IsUUID(s.in.SessionID) && (planned.ID == "" || planned.ID == s.in.SessionID) {
		s.note(thread{ID: s.in.SessionID, Rollout: s.in.Transcript})
	}
	s.write(event.Record{State: event.RecordWorking})
}

// note writes the thread of the generation if none was noted yet.
func (s *hookState) note(t thread) {
	if _, ok := readThread(s.Files.RW()); !ok {
		s.NoteOnce(threadName, t.encode())
	}
}

// prompted reports the start of a turn with the messages in its prompt, one record each.
func (s *hookState) prompted() {
	s.Asked().CloseAll()
	agent.Prompted(agent.Tags(s.in.Prompt), event.Record{}, s.write)
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
	if agent.RuleDecides(s.Files, adapter{}, s.in.ToolName, s.in.ToolInput, s.Worktree) {
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
	if red := (agent.Edit{Box: s.Box(), Scratch: s.Files.RW(), Worktree: s.Worktree}).Check(ctx); red != "" {
		s.Reply(map[string]any{"decision": "block", "reason": red})
	}
}
