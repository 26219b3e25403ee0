package claude

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"muster/internal/agent"
	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/status"
	"muster/internal/text"
)

const (
	// waitEvent is muster's own event name: it runs the waiter.
	waitEvent = "wait"
	// exitRewake is the exit status by which a waiter hands over its text, as the agent defines it.
	exitRewake = 2
)

// payload is the part of a hook's payload that is used here.
type payload struct {
	Event          string          `json:"hook_event_name"`
	SessionID      string          `json:"session_id"`
	Transcript     string          `json:"transcript_path"`
	PromptID       string          `json:"prompt_id"`
	PermissionMode string          `json:"permission_mode"`
	AgentID        string          `json:"agent_id"` // set within a subagent
	Source         string          `json:"source"`
	Prompt         string          `json:"prompt"`
	ToolName       string          `json:"tool_name"`
	ToolInput      json.RawMessage `json:"tool_input"`
	ToolUseID      string          `json:"tool_use_id"`
	Error          string          `json:"error"`
	ErrorDetails   string          `json:"error_details"`
	LastMessage    string          `json:"last_assistant_message"`
	Trigger        string          `json:"trigger"`
	Reason         string          `json:"reason"`
	Background     []struct {
		Status string `json:"status"`
	} `json:"background_tasks"`
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
		if s.Hooked, ok = agent.OpenHook(h, &s.in); !ok {
			return 0
		}
		if s.Event == waitEvent {
			return s.wait(ctx)
		}
		return s.handle(ctx)
	})
}

// write appends a record with the fields that every record has. An error is ignored, because a status file that
// cannot be written must not stop the agent.
func (s *hookState) write(r event.Record) {
	r.Time, r.Gen, r.Src = time.Now().UTC(), s.Gen, event.SrcHook
	r.SessionID, r.PromptID = pinned(s.in.SessionID, s.Getenv(environ.Alias)), s.in.PromptID
	r.Transcript, r.PermissionMode = s.in.Transcript, s.in.PermissionMode
	_ = status.Append(s.StatusFile, r)
}

// handle translates one event of the agent.
func (s *hookState) handle(ctx context.Context) int {
	switch s.Event {
	case "SessionStart":
		s.sessionStart()
	case "UserPromptSubmit":
		s.prompted()
	case "PreToolUse":
		s.toolBegins()
	case "SubagentStart", "SubagentStop", "PreCompact":
		s.goesOn(s.tool(event.RecordWorking))
	case "PostToolUse", "PostToolUseFailure":
		s.toolEnded(ctx)
	case "PermissionRequest":
		s.permission(ctx)
	case "PostCompact":
		s.compacted()
	case "ConfigChange":
		s.keepConfiguration()
	case "Stop":
		s.stopped()
	case "StopFailure":
		s.write(turnError(s.in.Error, s.in.LastMessage, s.in.ErrorDetails, time.Now()))
	case "SessionEnd":
		s.ended()
	}
	return 0
}

// tool returns a record about the tool of the payload.
func (s *hookState) tool(state event.RecordState) event.Record {
	return event.Record{State: state, Tool: s.in.ToolName, ToolUseID: s.in.ToolUseID}
}

// goesOn writes a record of continued work, unless another tool waits for a person.
func (s *hookState) goesOn(r event.Record) { s.Asked().GoesOn(s.key(), r, s.write) }

// sessionStart reports that the hooks work. A launched session has its prompt on the way; one that a person cleared
// has none.
func (s *hookState) sessionStart() {
	state := event.RecordWorking
	if s.in.Source == "clear" {
		state = event.RecordIdle
	}
	s.write(event.Record{State: state})
}

// prompted reports the start of a turn with the messages in its prompt, one record each.
func (s *hookState) prompted() {
	s.Asked().CloseAll()
	ids := messagesIn(s.in.Prompt)
	r := event.Record{}
	if len(ids) == 0 && strings.HasPrefix(s.in.Prompt, autoResumed) {
		r.Note = autoResumedNote
	}
	agent.Prompted(ids, r, s.write)
}

// autoResumed begins the prompt that the agent gives itself after a usage limit (2.1.332). The settings of a launch switch
// that off, because the fleet wakes the agent.
const (
	autoResumed     = "Your claude.ai usage limit has reset."
	autoResumedNote = "it went on by itself after its usage limit, although that is switched off (quota_auto_resume_fired)"
)

// compacted reports the end of a compaction. One that a person started leaves the agent idle; otherwise the turn
// continues.
func (s *hookState) compacted() {
	state := event.RecordWorking
	if s.in.Trigger == "manual" {
		state = event.RecordIdle
	}
	s.write(event.Record{State: state})
}

// stopped reports the end of a turn, with the tasks that still run in the background. Other Stop hooks run at the
// same time, and each may make the agent continue: the turn is over when the agent's own status file says so.
func (s *hookState) stopped() {
	if s.in.AgentID != "" {
		s.write(event.Record{State: event.RecordWorking}) // a subagent's turn is not the agent's
		return
	}
	r := event.Record{State: event.RecordIdle, Note: text.Line(s.in.LastMessage, noteLimit)}
	for _, b := range s.in.Background {
		switch b.Status {
		case "completed", "failed", "killed", "stopped":
		default:
			r.Background = true
		}
	}
	if s.levelFollows() {
		r.State, r.Stopping = event.RecordWorking, true
	}
	s.write(r)
}

// levelFollows reports whether the fleet reads the status file of the calling agent, which then says when the agent
// is idle. A program that a wrapper started has another process id than the fleet knows.
func (s *hookState) levelFollows() bool {
	env := []string{"HOME=" + s.Getenv("HOME"), "CLAUDE_CONFIG_DIR=" + s.Getenv("CLAUDE_CONFIG_DIR")}
	if _, ok := readSession(env, s.PPID); !ok {
		return false
	}
	launched := launchedPID(s.StatusFile)
	return launched == 0 || launched == s.PPID
}

// ended records the end of a session as evidence; the kernel reports the end of the process. A session that a person
// cleared, or left for another, continues under a new id.
func (s *hookState) ended() {
	if s.in.Reason == "clear" || s.in.Reason == "resume" {
		return
	}
	s.write(event.Record{State: event.RecordExited, Note: "session ended: " + text.Line(s.in.Reason, noteLimit)})
}

// toolBegins tells the start of a tool, or refuses what would change something that is not the agent's alone.
func (s *hookState) toolBegins() {
	var in struct {
		Command string `json:"command"`
	}
	if s.in.ToolName == "Bash" && json.Unmarshal(s.in.ToolInput, &in) == nil && agent.ChangesStash(in.Command) {
		s.goesOn(event.Record{State: event.RecordWorking}) // no tool begins
		s.Reply(map[string]any{"hookSpecificOutput": map[string]string{
			"hookEventName": "PreToolUse", "permissionDecision": "deny", "permissionDecisionReason": agent.StashRefusal,
		}})
		return
	}
	s.goesOn(s.tool(event.RecordWorking))
	if s.needsDecision() {
		s.Reply(map[string]any{"hookSpecificOutput": map[string]string{
			"hookEventName": "PreToolUse", "permissionDecision": "ask", "permissionDecisionReason": "A rule of this fleet decides about it.",
		}})
	}
}

// keepConfiguration keeps a running agent at the configuration that it started with. Everything that it starts can write the
// project's settings in its worktree, and so allow what a person has not allowed. The agent applies no change that a hook
// refuses.
func (s *hookState) keepConfiguration() {
	s.Reply(map[string]any{"decision": "block", "reason": configurationRefusal})
}

// configurationRefusal is the reason that the agent shows for a change of its configuration.
const configurationRefusal = "muster: the configuration of an agent does not change while it runs"

// toolEnded reports the end of a tool, and runs the checks for edits after an edit.
func (s *hookState) toolEnded(ctx context.Context) {
	r := event.Record{State: event.RecordWorking, ToolUseID: s.in.ToolUseID, Request: s.Asked().Close(s.key())}
	s.goesOn(r)
	if s.Event == "PostToolUse" && isEdit(s.in.ToolName) {
		s.checkEdit(ctx)
	}
}
