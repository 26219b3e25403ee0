package agent

import (
	"context"
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
	// EditTimeout is the limit of all checks after one edit, including the wait for a slot.
	EditTimeout = 5 * time.Minute
	// editCheckTimeout is the longest time for one check after an edit, whatever its own limit: the agent waits for it.
	editCheckTimeout = 2 * time.Minute
	// editOutput is the number of bytes of a red check's output that the agent gets.
	editOutput = 6 << 10
	// editNote is the number of bytes of a check's command that the agent gets.
	editNote = 300
)

// Edit is an edit of a file by a tool, as the hook sees it after the tool.
type Edit struct {
	Box      mail.Box
	Scratch  string // directory of the agent's side, for the output of checks
	Worktree string
	Path     string // of the file; "" if the tool does not name it
	// Private are variables of the agent that the checks do not get.
	Private []string
}

// Check runs the checks that are marked for edits and returns the output of red ones, for the agent. A check that could
// not run has no verdict; the round at the end of the turn judges it.
func (e Edit) Check(ctx context.Context) string {
	if !e.inProject() {
		return ""
	}
	checks, err := e.Box.ReadChecks()
	if err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, EditTimeout)
	defer cancel()
	var red []string
	for _, c := range checks.Checks {
		if !c.OnEdit || ctx.Err() != nil {
			continue
		}
		if words := e.run(ctx, checks, c); words != "" {
			red = append(red, words)
		}
	}
	return strings.Join(red, "\n\n")
}

// inProject reports whether the edit was within the worktree.
func (e Edit) inProject() bool {
	return e.Worktree != "" && (e.Path == "" || !filepath.IsAbs(resolve(e.Worktree, e.Path)))
}

// run runs one check and returns a text for the agent; "" if the check is green or could not run.
func (e Edit) run(ctx context.Context, all mail.Checks, c event.Check) string {
	limit := editCheckTimeout
	if c.Timeout > 0 {
		limit = min(limit, c.Timeout)
	}
	out, err := os.MkdirTemp(e.Scratch, "edit-")
	if err != nil {
		return ""
	}
	defer os.RemoveAll(out) //nolint:errcheck // only the excerpt is needed
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(e.Private, name)
	})
	res, err := check.Do(ctx, check.Job{
		Task: all.Env.Task, Gen: all.Env.Gen, Name: "edit", Dir: e.Worktree, Env: env, SlotPaths: all.Env.Slots,
		Out: out, Steps: []check.Step{{Name: c.Name, Run: c.Run, Timeout: limit}},
	}, io.Discard)
	if err != nil || len(res.Steps) == 0 || res.Steps[0].Green() {
		return ""
	}
	step := res.Steps[0]
	said, _ := check.Excerpt(step, editOutput) // the verdict is useful without its output
	if step.TimedOut {
		return fmt.Sprintf("muster: the check %q (%s) did not end within %s after this edit; its end was:\n%s",
			c.Name, text.Line(c.Run, editNote), limit, said)
	}
	return fmt.Sprintf("muster: the check %q (%s) is red after this edit, %s:\n%s",
		c.Name, text.Line(c.Run, editNote), text.Exit(step.Exit, step.Signal), said)
}
