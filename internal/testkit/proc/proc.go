package proc

import (
	"bufio"
	"errors"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"muster/internal/host"
)

// Start starts a command in its own process group and kills the group when the test ends.
func Start(t *testing.T, cmd *exec.Cmd) host.Process {
	t.Helper()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
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

// Finish runs a command and returns its exit status and output.
func Finish(t *testing.T, cmd *exec.Cmd) (status int, output string) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); !ok {
			t.Fatal(err)
		}
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// FirstLine reads the line that a program prints when it is ready.
func FirstLine(t *testing.T, r io.Reader) string {
	t.Helper()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("the output is %q, then %v", line, err)
	}
	return strings.TrimSpace(line)
}

// Identify returns the process whose pid is in s, even if it is gone.
func Identify(t *testing.T, s string) host.Process {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		t.Fatal(err)
	}
	p, err := host.Identify(pid)
	if err != nil && !errors.Is(err, host.ErrGone) {
		t.Fatal(err)
	}
	return p
}
