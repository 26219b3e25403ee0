package launch

import (
	"bufio"
	"context"
	"errors"
	"io"
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
	"muster/internal/host"
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
	case "keep":
		return playKeeper(file)
	case "supervise":
		return playSupervisor(file)
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

// started starts a command that is killed with its group when the test ends.
func started(t *testing.T, cmd *exec.Cmd) host.Process {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := host.Identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return p
}

// finish runs a command to its end and gives its exit status and what it said.
func finish(t *testing.T, cmd *exec.Cmd) (status int, said string) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			t.Fatal(err)
		}
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// eventually waits for something that nothing announces.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
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

// firstLine reads a line that a program says when it is ready.
func firstLine(t *testing.T, r io.Reader) string {
	t.Helper()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("said %q, then %v", line, err)
	}
	return strings.TrimSpace(line)
}

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
