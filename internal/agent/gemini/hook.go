package gemini

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
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
	// exitBlock is the exit status by which a hook refuses a tool. So does any other but 0 and 1.
	exitBlock = 2
	// parentVar has the process of the agent where a shell stands between it and the hook.
	parentVar = "GEMINI_HOOK_PARENT"
)

// payload is the part of a hook's payload that is used here.
type payload struct {
	SessionID  string          `json:"session_id"`
	Transcript string          `json:"transcript_path"`
	Source     string          `json:"source"`
	Prompt     string          `json:"prompt"`
	Response   string          `json:"prompt_response"`
	ToolName   string          `json:"tool_name"`
	ToolInput  json.RawMessage `json:"tool_input"`
	Message    string          `json:"message"`
	Reason     string          `json:"reason"`
}

// hookState is one call of a hook.
type hookState struct {
	agent.Hooked
	in payload
}

// Hook implements agent.Adapter. It never disturbs the agent, with one exception: a tool does not run if the hook ahead of it fails.
func (adapter) Hook(ctx context.Context, h agent.HookCall) (code int) {
	if h.Event == "BeforeTool" {
		code = exitBlock
	}
	agent.Undisturbed(func() int {
		s := &hookState{}
		var ok bool
		if s.Hooked, ok = agent.OpenHook(h, &s.in); ok {
			if pid, err := strconv.Atoi(h.Getenv(parentVar)); err == nil && pid > 1 {
				s.PPID = pid
			}
			s.handle(ctx)
		}
		code = 0
		return 0
	})
	return code
}

// write appends a record with the fields that every record has. An error is ignored, because a status file that
// cannot be written must not stop the agent.
func (s *hookState) write(r event.Record) {
	r.Time, r.Gen = time.Now().UTC(), s.Gen
	if r.Src == "" {
		r.Src = event.SrcHook
	}
	r.SessionID, r.Transcript, r.PermissionMode = s.in.SessionID, s.in.Transcript, s.mode()
	_ = status.Append(s.StatusFile, r)
}

// mode returns the mode of permissions that the user has chosen.
func (s *hookState) mode() string {
	var m modeFile
	b, err := regular.Read(filepath.Join(s.Files.RO(), modeName), maxFile)
	if err != nil || json.Unmarshal(b, &m) != nil || !slices.Contains([]string{modeAutoEdit, modeYOLO}, m.Mode) {
		return modeDefault
	}
	return m.Mode
}

// handle translates one event of the agent.
func (s *hookState) handle(ctx context.Context) {
	switch s.Event {
	case "SessionStart":
		s.write(event.Record{State: event.RecordWorking})
	case "BeforeAgent":
		s.prompted()
	case "BeforeTool":
		s.toolBegins(ctx)
	case "AfterTool":
		s.toolEnded(ctx)
	case "Notification":
		// A dialog that is not muster's own opens only by a rule of the user's policies.
		s.write(event.Record{State: event.RecordWaiting, Reason: event.WaitDialog, Note: text.Line(s.in.Message, noteLimit)})
	case "AfterAgent":
		s.ended()
	case "SessionEnd":
		s.write(event.Record{State: event.RecordExited, Note: "session ended: " + text.Line(s.in.Reason, noteLimit)})
	}
}

// prompted reports the start of a turn with the messages in its prompt, one record each.
func (s *hookState) prompted() {
	s.Asked().CloseAll()
	shorten(filepath.Join(s.Files.RW(), telemetryName))
	agent.Prompted(agent.Tags(s.in.Prompt), event.Record{}, s.write)
}

// key returns the key of this use of a tool. The agent gives it no id, so it is named after its content.
func (s *hookState) key() string {
	var input any // encoded again, so that the order of keys and white space do not matter
	_ = json.Unmarshal(s.in.ToolInput, &input)
	canonical, _ := json.Marshal([]any{s.in.ToolName, input})
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:16])
}

// goesOn writes a record of continued work, unless another tool waits for a person.
func (s *hookState) goesOn(r event.Record) { s.Asked().GoesOn(s.key(), r, s.write) }

// toolBegins refuses what would change something that is not the agent's alone, asks for permission where the user's mode or a rule
// asks for it, and reports the start of a tool.
func (s *hookState) toolBegins(ctx context.Context) {
	var in input
	_ = json.Unmarshal(s.in.ToolInput, &in)
	begins := event.Record{State: event.RecordWorking, Tool: s.in.ToolName, ToolUseID: s.key()}
	switch {
	case s.in.ToolName == "":
		s.refuse("This was not allowed: muster could not read what it is.")
	case s.in.ToolName == shellTool && agent.ChangesStash(in.Command):
		s.goesOn(event.Record{State: event.RecordWorking}) // no tool begins
		s.refuse(agent.StashRefusal)
	case s.in.ToolName == questionTool:
		s.question(ctx, in)
	case s.needsLeave() || agent.RuleDecides(s.Files, adapter{}, s.in.ToolName, s.in.ToolInput, s.Worktree):
		s.permission(ctx, in, begins)
	default:
		s.goesOn(begins)
	}
}

// refuse keeps a tool from running, with a reason for the model.
func (s *hookState) refuse(why string) { s.Reply(map[string]string{"decision": "deny", "reason": why}) }

// toolEnded reports the end of a tool, and runs the checks for edits after an edit.
func (s *hookState) toolEnded(ctx context.Context) {
	s.goesOn(event.Record{State: event.RecordWorking, ToolUseID: s.key()})
	if !slices.Contains(editTools, s.in.ToolName) {
		return
	}
	var in input
	_ = json.Unmarshal(s.in.ToolInput, &in)
	edit := agent.Edit{Box: s.Box(), Scratch: s.Files.RW(), Worktree: s.Worktree, Path: in.Path, Private: []string{keyVar, homeVar}}
	if red := edit.Check(ctx); red != "" {
		s.Reply(map[string]any{"hookSpecificOutput": map[string]string{"hookEventName": "AfterTool", "additionalContext": red}})
	}
}

// ended reports the end of a turn. The agent calls this hook also after an error and after an interrupt, without a mark; its
// transcript has one.
func (s *hookState) ended() {
	s.Asked().CloseAll()
	end := s.lastTurn()
	switch {
	case end.failed && s.Getenv("GEMINI_TELEMETRY_OUTFILE") == filepath.Join(s.Files.RW(), telemetryName) && isExhausted(end.text):
		// The telemetry has reported this limit with its end; now somebody has closed the menu.
		s.write(event.Record{State: event.RecordIdle, Src: event.SrcStatusFile})
	case end.failed:
		s.write(turnError(event.Record{}, end.text))
	case end.cancelled:
		s.write(event.Record{State: event.RecordIdle, Interrupted: true, Note: "interrupted"})
	default:
		s.write(event.Record{State: event.RecordIdle, Stopping: true, Note: text.Line(s.in.Response, noteLimit)})
	}
}

// lastTurn is what the transcript says about the turn that has just ended.
type lastTurn struct {
	failed, cancelled bool
	text              string // of the error
}

// tailSize is how much of the transcript is read for the end of a turn, in bytes.
const tailSize = 1 << 20

// lastTurn reads the end of the transcript, which the agent has written before it calls the hook.
func (s *hookState) lastTurn() (t lastTurn) {
	if !isTranscript(s.in.Transcript, s.in.SessionID) {
		return t
	}
	_ = regular.EachLineOfTail(s.in.Transcript, tailSize, func(line []byte) bool {
		var l transcriptLine
		switch {
		case json.Unmarshal(line, &l) != nil:
		case l.prompt() != "":
			t = lastTurn{}
		case l.Type == "error":
			t.failed, t.text = true, l.text()
		case l.cancels():
			t.cancelled = true
		}
		return true
	})
	return t
}
