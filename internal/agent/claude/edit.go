package claude

import (
	"context"
	"encoding/json"

	"muster/internal/agent"
)

// isEdit reports whether a tool writes files of the project.
func isEdit(tool string) bool {
	switch tool {
	case "Edit", "Write", "MultiEdit", "NotebookEdit":
		return true
	}
	return false
}

// checkEdit runs the checks that are marked for edits and returns the output of red ones to the agent in the same turn.
func (s *hookState) checkEdit(ctx context.Context) {
	var in struct {
		File     string `json:"file_path"`
		Notebook string `json:"notebook_path"`
	}
	_ = json.Unmarshal(s.in.ToolInput, &in)
	red := agent.Edit{
		Box: s.Box(), Scratch: s.Files.RW(), Worktree: s.Worktree, Path: in.File + in.Notebook, Private: []string{
			"CLAUDECODE", "CLAUDE_CODE_SESSION_ID", "CLAUDE_PROJECT_DIR", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_CHILD_SESSION", "CLAUDE_ENV_FILE",
		},
	}.Check(ctx)
	if red != "" {
		s.Reply(map[string]any{"decision": "block", "reason": red})
	}
}
