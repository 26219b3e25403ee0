package proc

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// Marked returns the processes that have this variable in their environment.
func Marked(t testing.TB, variable string) []int {
	t.Helper()
	out, err := exec.Command("ps", "-Axwwe", "-o", "pid=,command=").Output() //nolint:noctx // ps ends by itself
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 2 || !strings.Contains(line, " "+variable+" ") {
			continue
		}
		if pid, err := strconv.Atoi(f[0]); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Arguments returns the command line of a process; "" if it is gone.
func Arguments(pid int) string {
	out, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output() //nolint:noctx // ps ends by itself
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
