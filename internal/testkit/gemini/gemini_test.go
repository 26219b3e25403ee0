package gemini_test

import (
	"os"
	"strings"
	"testing"

	"muster/internal/run"
	"muster/internal/testkit/gemini"
)

func TestTheProgramIsThereForAUserOfTheTestsOwn(t *testing.T) {
	t.Parallel()
	u := gemini.NewUser(t, "http://127.0.0.1:1", t.TempDir())
	res, err := run.Do(t.Context(), run.Cmd{Argv: []string{gemini.Path(t), "--version"}, Env: u.Env(t)})
	if err != nil || strings.TrimSpace(string(res.Stdout)) != gemini.Version && os.Getenv("MUSTER_TEST_GEMINI") == "" {
		t.Errorf("version %q (%v), want %s", res.Stdout, err, gemini.Version)
	}
}
