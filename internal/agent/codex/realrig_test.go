package codex_test

import (
	"fmt"
	"os"
	"testing"

	"muster/internal/agent/codex"
	"muster/internal/event"
	testcodex "muster/internal/testkit/codex"
	"muster/internal/testkit/model"
	testrig "muster/internal/testkit/rig"
)

// TestMain lets this test binary act as the program that hooks and panes run.
func TestMain(m *testing.M) { os.Exit(testrig.Main(m, codex.New())) }

// rig is one task with a real Codex CLI.
type rig struct {
	*testrig.Rig
	user testcodex.User
}

// newRig makes a rig whose user trusts the repository.
func newRig(t *testing.T, prompt string, spec event.Spec, script ...model.Step) *rig {
	t.Helper()
	r := &rig{}
	r.Rig = testrig.New(t, codex.New(), prompt, spec, func(modelURL, repo string) []string {
		r.user = testcodex.NewUser(t, modelURL, repo)
		return r.user.Env(t)
	}, script...)
	return r
}

// rollout returns the records of the rollout file; nil before the agent has named it.
func (r *rig) rollout() []event.Record {
	r.T.Helper()
	if !r.HasSource("transcript") {
		return nil
	}
	return r.Source("transcript")
}

// over waits until the rollout says that n turns are over.
func (r *rig) over(n int) {
	r.T.Helper()
	r.Until(fmt.Sprintf("turn %d is over", n), func() bool {
		return testrig.Count(r.rollout(), func(rec event.Record) bool { return rec.State == event.RecordIdle }) >= n
	})
}
