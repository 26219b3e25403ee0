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
	claude.Each(t, func(t *testing.T, version string) {
		u := claude.NewUser(t, version, t.TempDir())
		res, err := run.Do(t.Context(), run.Cmd{Argv: []string{claude.Path(t, version), "--version"}, Env: u.Env(t, "http://127.0.0.1:1")})
		if err != nil || !strings.HasPrefix(string(res.Stdout), version+" ") && os.Getenv("MUSTER_TEST_CLAUDE") == "" {
			t.Errorf("version %q (%v), want %s", res.Stdout, err, version)
		}
		if _, err := os.Stat(filepath.Join(u.Home, ".claude.json")); err == nil {
			t.Error("the program wrote outside its configuration directory")
		}
	})
}
