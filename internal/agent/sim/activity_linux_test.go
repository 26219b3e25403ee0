package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// activity counts how often any thread of a process was scheduled.
func activity(t *testing.T, pid int) string {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("no threads of %d: %v", pid, err)
	}
	var b strings.Builder
	for _, file := range threads {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if strings.Contains(line, "ctxt_switches") {
				b.WriteString(line)
			}
		}
	}
	return b.String()
}
