package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// spent returns the processor time that a process has used, and the memory that it holds.
func spent(t *testing.T, pid int) (cpu time.Duration, rss int64) {
	t.Helper()
	out, err := exec.Command("ps", "-o", "rss=,time=", "-p", fmt.Sprint(pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	var kib int64
	var minutes int
	var seconds float64
	if _, err := fmt.Sscanf(strings.TrimSpace(string(out)), "%d %d:%f", &kib, &minutes, &seconds); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	return time.Duration(minutes)*time.Minute + time.Duration(seconds*float64(time.Second)), kib << 10
}
