package mail

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"muster/internal/event"
	"muster/internal/replace"
)

// CheckEnv is what a check needs besides its command when it runs in the agent's own shell or hook.
type CheckEnv struct {
	Task     event.TaskID `json:"task"`
	Gen      int          `json:"gen"`
	Worktree string       `json:"worktree"`        // absolute; where checks run
	Slots    []string     `json:"slots,omitempty"` // lock files, one of which a running check holds
	Logs     string       `json:"logs,omitempty"`  // directory for full output
}

// Checks is the content of checks.json: the checks as they were frozen at dispatch.
type Checks struct {
	Checks []event.Check `json:"checks"`
	Env    CheckEnv      `json:"env"`
}

func (b Box) checks() string { return filepath.Join(b.gen().RO(), "checks.json") }

// WriteChecks stores the checks for `muster check` and for hooks, and replaces earlier ones.
func (b Box) WriteChecks(checks []event.Check, env CheckEnv) error {
	raw, err := json.Marshal(Checks{Checks: checks, Env: env})
	if err == nil { // not synced: no generation survives a loss of power
		err = replace.Quick(b.checks(), append(raw, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write checks: %w", err)
	}
	return nil
}

// ReadChecks reads what WriteChecks wrote; the error is fs.ErrNotExist if it was not called.
func (b Box) ReadChecks() (Checks, error) {
	var c Checks
	if err := readJSON(b.checks(), &c); err != nil {
		return Checks{}, fmt.Errorf("read checks: %w", err)
	}
	return c, nil
}
