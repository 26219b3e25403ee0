package claude

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/run"
	"muster/internal/text"
)

const (
	// editCheckTimeout bounds one check after an edit, whatever its own limit: an agent waits for it.
	editCheckTimeout = 2 * time.Minute
	// editOutput is how many bytes of a red check's output go back to the agent.
	editOutput = 6 << 10
)

// isEdit tells whether a tool writes files of the project.
func isEdit(tool string) bool {
	switch tool {
	case "Edit", "Write", "MultiEdit", "NotebookEdit":
		return true
	}
	return false
}

// checkEdit runs the checks that are marked for it after an edit, and gives what a red one says back to the
// agent, in the same turn. A check that could not run is no verdict: the turn's end brings one.
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

// editedProject tells whether the edit was within the worktree.
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

// runCheck runs one check and gives what the agent has to know of it; "" if it is green or did not run.
func (s *hookState) runCheck(ctx context.Context, all mail.Checks, c event.Check) string {
	unlock, err := takeSlot(ctx, all.Env.Slots)
	if err != nil {
		return ""
	}
	defer unlock()
	limit := editCheckTimeout
	if c.Timeout > 0 {
		limit = min(limit, c.Timeout)
	}
	var out output
	_, err = run.Do(ctx, run.Cmd{
		Argv: []string{"/bin/sh", "-c", c.Run}, Dir: s.worktree, Env: checkEnv(os.Environ()),
		Stdout: &out, Stderr: &out, Timeout: limit,
	})
	failed, ran := errors.AsType[*run.ExitError](err)
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("muster: the check %q (%s) did not end within %s after this edit; its end was:\n%s",
			c.Name, text.Line(c.Run, noteLimit), limit, text.Excerpt(out.bytes(), editOutput))
	case !ran:
		return ""
	}
	how := fmt.Sprintf("exit status %d", failed.Exit)
	if failed.Signal != 0 {
		how = failed.Signal.String()
	}
	return fmt.Sprintf("muster: the check %q (%s) is red after this edit, %s:\n%s",
		c.Name, text.Line(c.Run, noteLimit), how, text.Excerpt(out.bytes(), editOutput))
}
