package keeper

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The test binary plays the programs that run in panes: `ROLE=… test-binary FILE`.
const roleVar = "MUSTER_KEEPER_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		time.AfterFunc(time.Minute, func() { os.Exit(99) }) // no role outlives its test by much
		os.Exit(play(role, os.Args[1]))
	}
	goleak.VerifyTestMain(m)
}

func play(role, file string) int {
	switch role {
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
