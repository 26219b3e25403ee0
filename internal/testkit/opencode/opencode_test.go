package opencode_test

import (
	"os"
	"strings"
	"testing"

	"muster/internal/run"
	"muster/internal/testkit/opencode"
)

func TestTheProgramIsThereForAUserOfTheTestsOwn(t *testing.T) {
	t.Parallel()
	u := opencode.NewUser(t, "http://127.0.0.1:1", nil)
	res, err := run.Do(t.Context(), run.Cmd{Argv: []string{opencode.Path(t), "--version"}, Env: u.Env(t)})
	if err != nil || strings.TrimSpace(string(res.Stdout)) != opencode.Version && os.Getenv("MUSTER_TEST_OPENCODE") == "" {
		t.Errorf("version %q (%v), want %s", res.Stdout, err, opencode.Version)
	}
}
