package host

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"
)

func TestAwaitReturnsAtTheEndOfTheProcessAndNotBefore(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := Identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := Await(short, p); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it lives: got %v, want the deadline", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if err := Await(t.Context(), p); err != nil {
		t.Errorf("after its end: %v", err)
	}
}
