package run

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

func TestForeground_HasTheCallersStreamsAndEnvironment(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	f := &Foreground{Context: t.Context(), Argv: []string{"sh", "-c", "read line; echo $line $WORD"}, Env: []string{"PATH=" + os.Getenv("PATH"), "WORD=b"}}
	f.SetStdin(strings.NewReader("a\n"))
	f.SetStdout(&out)
	f.SetStderr(&out)
	if err := f.Run(); err != nil || out.String() != "a b\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestForeground_WaitsUntilTheTerminalOfAKilledProgramHasSettled(t *testing.T) {
	t.Parallel()
	f := &Foreground{Context: t.Context(), Argv: []string{"sh", "-c", "kill -9 $$"}, Env: []string{"PATH=" + os.Getenv("PATH")}, Settle: 300 * time.Millisecond}
	began := time.Now()
	if err := f.Run(); err == nil {
		t.Error("no error")
	}
	if took := time.Since(began); took < f.Settle {
		t.Errorf("it came back after %s", took)
	}
}

func TestForeground_EndsWithItsContextAsAProgramThatCleansUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	began := make(chan struct{})
	f := &Foreground{Context: ctx, Argv: []string{"sh", "-c", "trap 'echo cleaned; exit' TERM; echo begun; while :; do sleep 0.05; done"}, Env: []string{"PATH=" + os.Getenv("PATH")}}
	f.SetStdout(writerFunc(func(p []byte) (int, error) {
		if n := out.Len(); n == 0 {
			defer close(began)
		}
		return out.Write(p)
	}))
	go func() { <-began; cancel() }()
	if err := f.Run(); err == nil && ctx.Err() == nil {
		t.Error("it ended by itself")
	}
	if out.String() != "begun\ncleaned\n" {
		t.Errorf("it wrote %q", out.String())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
