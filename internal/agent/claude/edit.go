package claude

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/internal/check"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/text"
)

const (
	// editCheckTimeout is the longest time for one check after an edit, whatever its own limit: the agent waits for
	// it.
	editCheckTimeout = 2 * time.Minute
	// editOutput is the number of bytes of a red check's output that the agent gets.
	editOutput = 6 << 10
)

// isEdit reports whether a tool writes files of the project.
func isEdit(tool string) bool {
	switch tool {
	case "Edit", "Write", "MultiEdit", "NotebookEdit":
		return true
	}
	return false
}

// checkEdit runs the checks that are marked for edits and returns the output of red ones to the agent in the same
// turn. A check that could not run has no verdict; the round at the end of the turn judges it.
func (s *hookState) checkEdit(ctx context.Context) {
	if !s.editedProject() {
		return
	}
	checks, err := s.box().ReadChecks()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, editTimeout)
	defer cancel()
	var red []string
	for _, c := range checks.Checks {
		if !c.OnEdit || ctx.Err() != nil {
			continue
		}
		if words := s.runCheck(ctx, checks, c); words != "" {
			red = append(red, words)
		}
	}
	if len(red) > 0 {
		s.reply(map[string]any{"decision": "block", "reason": strings.Join(red, "\n\n")})
	}
}

// editedProject reports whether the edit was within the worktree.
func (s *hookState) editedProject() bool {
	var in struct {
		File     string `json:"file_path"`
		Notebook string `json:"notebook_path"`
	}
	_ = json.Unmarshal(s.in.ToolInput, &in)
	path := in.File + in.Notebook
	if path == "" || !filepath.IsAbs(path) || s.worktree == "" {
		return s.worktree != ""
	}
	rel, err := filepath.Rel(realPath(s.worktree), realPath(path))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// runCheck runs one check and returns a text for the agent; "" if the check is green or could not run.
func (s *hookState) runCheck(ctx context.Context, all mail.Checks, c event.Check) string {
	limit := editCheckTimeout
	if c.Timeout > 0 {
		limit = min(limit, c.Timeout)
	}
	out, err := os.MkdirTemp(s.files.RW(), "edit-")
	if err != nil {
		return ""
	}
	defer os.RemoveAll(out) //nolint:errcheck // only the excerpt is needed
	res, err := check.Do(ctx, check.Job{
		Task: all.Env.Task, Gen: all.Env.Gen, Name: "edit", Dir: s.worktree, Env: checkEnv(os.Environ()), SlotPaths: all.Env.Slots,
		Out: out, Steps: []check.Step{{Name: c.Name, Run: c.Run, Timeout: limit}},
	}, io.Discard)
	if err != nil || len(res.Steps) == 0 || res.Steps[0].Green() {
		return ""
	}
	step := res.Steps[0]
	said, _ := check.Excerpt(step, editOutput) // the verdict is useful without its output
	if step.TimedOut {
		return fmt.Sprintf("muster: the check %q (%s) did not end within %s after this edit; its end was:\n%s",
			c.Name, text.Line(c.Run, noteLimit), limit, said)
	}
	return fmt.Sprintf("muster: the check %q (%s) is red after this edit, %s:\n%s",
		c.Name, text.Line(c.Run, noteLimit), text.Exit(step.Exit, step.Signal), said)
}

// checkEnv returns the environment of a check: the agent's, without the variables that the agent sets for its hooks.
func checkEnv(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "CLAUDECODE", "CLAUDE_CODE_SESSION_ID", "CLAUDE_PROJECT_DIR", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_CHILD_SESSION",
			"CLAUDE_ENV_FILE":
			return true
		}
		return false
	})
}
