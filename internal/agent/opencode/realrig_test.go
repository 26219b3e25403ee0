package opencode_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/agent"
	"muster/internal/agent/opencode"
	"muster/internal/event"
	"muster/internal/mail"
	"muster/internal/proof/prooftest"
	"muster/internal/testkit/model"
	testopencode "muster/internal/testkit/opencode"
	"muster/internal/testkit/proc"
	testrig "muster/internal/testkit/rig"
)

// TestMain lets this test binary act as the program that hooks and panes run.
func TestMain(m *testing.M) { os.Exit(testrig.Main(m, opencode.New())) }

// rig is one task with a real OpenCode.
type rig struct {
	*testrig.Rig
	user testopencode.User
}

// newRig makes a rig in a worktree that the agent has never seen. permission is the user's configuration of permissions.
func newRig(t *testing.T, prompt string, spec event.Spec, permission map[string]any, script ...model.Step) *rig {
	t.Helper()
	r := &rig{}
	r.Rig = testrig.New(t, opencode.New(), prompt, spec, func(modelURL, _ string) []string {
		r.user = testopencode.NewUser(t, modelURL, permission)
		return r.user.Env(t)
	}, script...)
	// The first start in a new home installs packages, which takes a minute beside a busy machine.
	r.Patience = 10 * time.Minute
	r.Tell = func() string { return fmt.Sprintf("journal:\n%+v\nthe agent's log:\n%s", r.journal(), r.log()) }
	r.Ended = r.noHooks
	return r
}

// start checks, plans and starts the generation.
func (r *rig) start() {
	r.T.Helper()
	if err := r.Adapter.Check(r.T.Context(), agent.Preflight{Spec: r.Launch.Spec, Env: r.Launch.Env, Home: r.Launch.Home}); err != nil {
		r.T.Fatal(err)
	}
	r.Start()
}

// noHooks checks that the hooks of an agent that has ended end, too.
func (r *rig) noHooks() {
	for deadline := time.Now().Add(30 * time.Second); len(r.hooks()) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.T.Errorf("hooks outlive the agent: %v", r.hooks())
			for _, pid := range r.hooks() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			return
		}
	}
}

// hooks returns the processes that run hooks of this rig's agent.
func (r *rig) hooks() []int {
	return slices.DeleteFunc(r.Marked(), func(pid int) bool { return !strings.Contains(proc.Arguments(pid), " hook opencode ") })
}

// log returns the end of the agent's own log.
func (r *rig) log() string {
	files, _ := filepath.Glob(filepath.Join(r.user.Home, ".local/share/opencode/log/*.log"))
	var out []byte
	for _, f := range files {
		b, _ := os.ReadFile(f)
		out = append(out, b[max(0, len(b)-4000):]...)
	}
	return string(out)
}

// journal returns the records of the journal.
func (r *rig) journal() []event.Record { return r.Source("opencode.journal") }

// idle waits for the end of a turn after the first n records and returns the number of records up to it.
func (r *rig) idle(n int) int {
	r.T.Helper()
	_, n = r.RecordAfter(n, "the turn ends", func(rec event.Record) bool { return rec.State == event.RecordIdle })
	return n
}

// states returns the states of the records, each run of equal ones once.
func (r *rig) states() []event.RecordState {
	var out []event.RecordState
	for _, rec := range r.Records() {
		out = append(out, rec.State)
	}
	return slices.Compact(out)
}

// send hands over a message as the supervisor does.
func (r *rig) send(id event.MessageID, text string) {
	r.T.Helper()
	m := mail.Message{ID: id, Text: text}
	prooftest.Send(r.T, r.Launch.Home, "t1", r.Launch.Gen, m)
	if err := r.Adapter.Post(r.Launch, m); err != nil {
		r.T.Fatal(err)
	}
}
