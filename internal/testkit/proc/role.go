package proc

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// RoleVar is the variable that holds the role which a test binary plays.
const RoleVar = "MUSTER_TEST_ROLE"

// Main is the TestMain of a package whose test binary also plays the programs that run in panes. A role gets the binary's
// first argument and returns the exit status. Without a role the tests run, and must leave no goroutine behind.
func Main(m *testing.M, roles map[string]func(arg string) int) {
	role := os.Getenv(RoleVar)
	if role == "" {
		goleak.VerifyTestMain(m)
		return
	}
	play := roles[role]
	if play == nil {
		os.Exit(98)
	}
	time.AfterFunc(time.Minute, func() { os.Exit(99) }) // no role outlives its test by much
	os.Exit(play(os.Args[1]))
}

// Role returns the command that runs the test binary in a role and a process group of its own, with this environment and a
// variable LEAKED, which nothing that it starts may see.
func Role(role, arg string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], arg) //nolint:gosec // the test itself
	cmd.Env = append([]string{RoleVar + "=" + role, "LEAKED=yes"}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}
