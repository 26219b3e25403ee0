package copilot_test

import (
	"os"
	"strings"
	"testing"

	"muster/internal/run"
	"muster/internal/testkit/copilot"
)

func TestTheProgramIsThereForAUserOfTheTestsOwn(t *testing.T) {
	t.Parallel()
	u := copilot.NewUser(t, "http://127.0.0.1:1", t.TempDir())
	res, err := run.Do(t.Context(), run.Cmd{Argv: []string{copilot.Path(t), "--version"}, Env: u.Env(t)})
	if err != nil || !strings.Contains(string(res.Stdout), "GitHub Copilot CLI "+copilot.Version) && os.Getenv("MUSTER_TEST_COPILOT") == "" {
		t.Errorf("version %q (%v), want %s", res.Stdout, err, copilot.Version)
	}
}
