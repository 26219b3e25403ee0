package claude_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/run"
	"muster/internal/testkit/claude"
)

func TestTheProgramIsThereForAUserOfTheTestsOwn(t *testing.T) {
	t.Parallel()
	u := claude.NewUser(t, t.TempDir())
	res, err := run.Do(t.Context(), run.Cmd{Argv: []string{claude.Path(t), "--version"}, Env: u.Env(t, "http://127.0.0.1:1")})
	if err != nil || !strings.HasPrefix(string(res.Stdout), claude.Version) && os.Getenv("MUSTER_TEST_CLAUDE") == "" {
		t.Errorf("version %q (%v)", res.Stdout, err)
	}
	if _, err := os.Stat(filepath.Join(u.Home, ".claude.json")); err == nil {
		t.Error("the program wrote outside its configuration directory")
	}
}
