package internal_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// maxHook is what one hook may cost at best: agents start one at each tool call, and wait for it.
const maxHook = 6 * time.Millisecond

// BenchmarkHook is one tool call of an agent: the program is started, reads the hook's input, writes one line.
func BenchmarkHook(b *testing.B) {
	dir := b.TempDir()
	bin, file := filepath.Join(dir, "muster"), filepath.Join(dir, "status", "t1.1.jsonl")
	build := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", bin, "./cmd/muster")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		b.Fatal(err)
	}
	best, runs := time.Hour, 0
	hook := func() {
		cmd := exec.CommandContext(b.Context(), bin, "hook", "claude", "PreToolUse")
		cmd.Env = []string{"MUSTER_HOME=" + dir, "MUSTER_TASK=t1", "MUSTER_GEN=1", "MUSTER_STATUS_FILE=" + file}
		cmd.Stdin = strings.NewReader(`{"hook_event_name":"PreToolUse","session_id":"x","tool_name":"Bash","tool_input":{"command":"ls"}}`)
		began := time.Now()
		out, err := cmd.CombinedOutput()
		best, runs = min(best, time.Since(began)), runs+1
		if err != nil {
			b.Fatalf("hook: %v\n%s", err, out)
		}
	}
	for b.Loop() {
		hook()
	}
	for runs < 50 {
		hook()
	}
	if st, err := os.Stat(file); err != nil || st.Size() == 0 {
		b.Fatalf("the hook wrote no record: %v", err)
	}
	b.ReportMetric(float64(best.Microseconds())/1000, "best-ms")
	if best > maxHook {
		b.Errorf("the best of %d runs took %s, more than %s", runs, best, maxHook)
	}
}
