package qwen_test

import (
	"os"
	"strings"
	"testing"

	"muster/internal/run"
	"muster/internal/testkit/qwen"
)

func TestTheProgramIsThereForAUserOfTheTestsOwn(t *testing.T) {
	t.Parallel()
	u := qwen.NewUser(t, "http://127.0.0.1:1")
	res, err := run.Do(t.Context(), run.Cmd{Argv: []string{qwen.Path(t), "--version"}, Env: u.Env(t)})
	if err != nil || strings.TrimSpace(string(res.Stdout)) != qwen.Version && os.Getenv("MUSTER_TEST_QWEN") == "" {
		t.Errorf("version %q (%v), want %s", res.Stdout, err, qwen.Version)
	}
}
