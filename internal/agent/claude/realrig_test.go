package claude_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"muster/internal/agent/claude"
	"muster/internal/event"
	testclaude "muster/internal/testkit/claude"
	"muster/internal/testkit/model"
	"muster/internal/testkit/proc"
	testrig "muster/internal/testkit/rig"
)

// TestMain lets this test binary act as the program that hooks and panes run.
func TestMain(m *testing.M) { os.Exit(testrig.Main(m, claude.New())) }

// rig is one task with a real Claude Code.
type rig struct {
	*testrig.Rig
	user testclaude.User
}

// newRig makes a rig whose user trusts the repository.
func newRig(t *testing.T, version, prompt string, spec event.Spec, script ...model.Step) *rig {
	t.Helper()
	r := &rig{}
	r.Rig = testrig.New(t, claude.New(), prompt, spec, func(modelURL, repo string) []string {
		r.user = testclaude.NewUser(t, version, repo)
		return r.user.Env(t, modelURL)
	}, script...)
	return r
}

// waiters returns the waiters of this rig's agent.
func (r *rig) waiters() []int {
	return slices.DeleteFunc(r.Marked(), func(pid int) bool { return !strings.Contains(proc.Arguments(pid), "hook claude wait") })
}

// idle waits until n turns have ended.
func (r *rig) idle(n int) {
	r.T.Helper()
	r.Until(fmt.Sprintf("turn %d ends", n), func() bool { return testrig.Count(r.Records(), isIdle) >= n })
}

// isIdle reports whether a record of a hook ends a turn, as far as this hook knows.
func isIdle(rec event.Record) bool { return rec.State == event.RecordIdle || rec.Stopping }
