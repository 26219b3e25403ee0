package codex_test

import (
	"os"
	"strings"
	"testing"

	"muster/internal/run"
	"muster/internal/testkit/codex"
)

func TestTheProgramIsThereForAUserOfTheTestsOwn(t *testing.T) {
	t.Parallel()
	u := codex.NewUser(t, "http://127.0.0.1:1", t.TempDir())
	res, err := run.Do(t.Context(), run.Cmd{Argv: []string{codex.Path(t), "--version"}, Env: u.Env(t)})
	if err != nil || strings.TrimSpace(string(res.Stdout)) != "codex-cli "+codex.Version && os.Getenv("MUSTER_TEST_CODEX") == "" {
		t.Errorf("version %q (%v), want %s", res.Stdout, err, codex.Version)
	}
}
