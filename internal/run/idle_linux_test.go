package run

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestDo_EndsAProgramThatMakesNoProgress(t *testing.T) {
	t.Parallel()
	began := time.Now()
	_, err := Do(t.Context(), Cmd{Argv: []string{"/bin/sh", "-c", "sleep 60; true"}, Env: []string{"PATH=/usr/bin:/bin"}, Timeout: -1, Idle: 300 * time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no progress for 300ms") {
		t.Errorf("%v, want a deadline and its reason", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestDo_LetsAProgramThatMakesProgressGoOn runs a program that takes longer than its idle limit. Only its children
// make progress.
func TestDo_LetsAProgramThatMakesProgressGoOn(t *testing.T) {
	t.Parallel()
	script := "i=0; while [ $i -lt 30 ]; do i=$((i+1)); sleep 0.1; done"
	res, err := Do(t.Context(), Cmd{Argv: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Timeout: -1, Idle: 2 * time.Second})
	if err != nil || res.Exit != 0 {
		t.Errorf("%+v, %v", res, err)
	}
}
