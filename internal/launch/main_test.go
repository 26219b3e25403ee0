package launch

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"muster/internal/event"
	"muster/internal/fault"
)

// The test binary plays the programs that run in panes: `ROLE=… test-binary FILE`.
const roleVar = "MUSTER_LAUNCH_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		time.AfterFunc(time.Minute, func() { os.Exit(99) }) // no role outlives its test by much
		os.Exit(play(role, os.Args[1]))
	}
	goleak.VerifyTestMain(m)
}

func play(role, file string) int {
	switch role {
	case "launch":
		ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer cancel()
		return ExitStatus(Run(ctx, file, os.Stdout))
	}
	return 98
}

// program is the test binary in a role, with an environment of its own.
func program(role, file string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], file)
	cmd.Env = append([]string{roleVar + "=" + role, "LEAKED=yes"}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// agent is a spec in a directory of its own; the agent is a shell script.
type agent struct {
	Spec
	path string
}

func newAgent(t *testing.T, script string) *agent {
	t.Helper()
	dir := t.TempDir()
	return &agent{path: filepath.Join(dir, "spec.json"), Spec: Spec{
		Task: event.NewTaskID(3), Gen: 2, Argv: []string{"sh", "-c", script}, Dir: dir,
		Env:  []string{"PATH=/usr/bin:/bin", "OUT=" + filepath.Join(dir, "out")},
		Lock: filepath.Join(dir, "alive"), StatusFile: filepath.Join(dir, "t3.2.jsonl"),
	}}
}

func (a *agent) write(t *testing.T) string {
	t.Helper()
	if err := Write(a.path, a.Spec); err != nil {
		t.Fatal(err)
	}
	return a.path
}

func (a *agent) out(t *testing.T) string { t.Helper(); return read(t, filepath.Join(a.Dir, "out")) }

func (a *agent) status(t *testing.T) string { t.Helper(); return read(t, a.StatusFile) }

func wantCode(t *testing.T, err error, code fault.Code, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", words)
	}
	if fault.CodeOf(err) != code {
		t.Errorf("code of %v is %s, want %s", err, fault.CodeOf(err), code)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}
