package launch

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"muster/internal/event"
	"muster/internal/testkit/files"
	"muster/internal/testkit/proc"
)

func TestMain(m *testing.M) {
	proc.Main(m, map[string]func(string) int{
		"launch": func(file string) int {
			ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
			defer cancel()
			return ExitStatus(Run(ctx, file, nil, os.Stdout))
		},
	})
}

// agent is a spec in its own directory. Its program is a shell script.
type agent struct {
	Spec
	path string
}

func newAgent(t *testing.T, script string) *agent {
	t.Helper()
	dir := t.TempDir()
	return &agent{path: filepath.Join(dir, "spec.json"), Spec: Spec{
		Task: event.NewTaskID(3), Gen: 2, Argv: []string{"sh", "-c", script}, Dir: dir,
		Env:  []string{"PATH=/usr/bin:/bin", "OUT=" + filepath.Join(dir, "out")},
		Lock: filepath.Join(dir, "alive"), StatusFile: filepath.Join(dir, "t3.2.jsonl"),
	}}
}

func (a *agent) write(t *testing.T) string {
	t.Helper()
	if err := Write(a.path, a.Spec); err != nil {
		t.Fatal(err)
	}
	return a.path
}

func (a *agent) out(t *testing.T) string {
	t.Helper()
	return files.Read(t, filepath.Join(a.Dir, "out"))
}

func (a *agent) status(t *testing.T) string { t.Helper(); return files.Read(t, a.StatusFile) }
