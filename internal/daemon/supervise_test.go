package daemon

import (
	"context"
	"io"
	"os"
	"testing"
	"time"

	"muster/internal/boot"
	"muster/internal/home"
)

// TestServe_AStartThatFailsLeavesNoStage starts a supervisor for a fleet without a tmux server. What it wrote about its progress
// must be gone, or the next start would seem to be further than it is.
func TestServe_AStartThatFailsLeavesNoStage(t *testing.T) {
	t.Parallel()
	dir := home.Dir(t.TempDir())
	f := boot.Fleet{Home: dir, Caller: boot.Caller{Environ: append(os.Environ(), "MUSTER_HOME="+string(dir)), Now: time.Now, Stderr: io.Discard}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := Serve(ctx, Options{Fleet: f}); err == nil {
		t.Error("a supervisor served without a tmux server")
	}
	if _, err := os.Lstat(dir.Starting()); !os.IsNotExist(err) {
		t.Errorf("the stage of the start is left: %v", err)
	}
}
