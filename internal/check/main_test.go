package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"muster/internal/fault"
)

// The test binary plays the programs that run in panes: `ROLE=… test-binary FILE`.
const roleVar = "MUSTER_CHECK_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		time.AfterFunc(time.Minute, func() { os.Exit(99) }) // no role outlives its test by much
		os.Exit(play(role, os.Args[1]))
	}
	goleak.VerifyTestMain(m)
}

func play(role, file string) int {
	switch role {
	case "run":
		ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer cancel()
		err := Run(ctx, file, os.Stdout)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		return fault.ExitCode(err)
	}
	return 98
}

// program is the test binary in a role, with an environment of its own.
func program(role, file string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], file)
	cmd.Env = append([]string{roleVar + "=" + role, "LEAKED=yes"}, env...)
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

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
