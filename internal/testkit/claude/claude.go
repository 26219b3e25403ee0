package claude

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/run"
	"muster/internal/testkit/npm"
)

// The versions that tests run with. Each is exact, because npm installs an older version under the plain package name
// if Node is older than the newest version requires.
const (
	Pinned = "2.1.197" // the oldest version that muster accepts
	Newest = "2.1.332" // npm's newest when the tests were last revised
)

// Versions returns the versions that tests run with. $MUSTER_TEST_CLAUDE replaces all of them by one program.
func Versions() []string {
	if os.Getenv("MUSTER_TEST_CLAUDE") != "" {
		return []string{fromEnv}
	}
	return []string{Pinned, Newest}
}

// fromEnv is the version name of the program in $MUSTER_TEST_CLAUDE.
const fromEnv = "named by MUSTER_TEST_CLAUDE"

// Each runs a test once for each of Versions, in parallel. The subtest has the version's name. The version that the
// program itself reports is logged.
func Each(t *testing.T, test func(t *testing.T, version string)) {
	t.Helper()
	t.Parallel()
	for _, v := range Versions() {
		t.Run(v, func(t *testing.T) {
			t.Parallel()
			t.Logf("Claude Code %s", versionOf(t.Context(), Path(t, v)))
			test(t, v)
		})
	}
}

// Key is the API key of a test's user. It is not a real one.
const Key = "test-key-that-is-not-real"

// Path returns the program of a version: $MUSTER_TEST_CLAUDE, or the one on the PATH if it has that version, or one
// that npm installs once into the user's cache directory. The test fails if there is none.
func Path(t testing.TB, version string) string {
	t.Helper()
	if p := os.Getenv("MUSTER_TEST_CLAUDE"); p != "" {
		return p
	}
	if p, err := run.LookPath("claude", os.Environ()); err == nil && versionOf(t.Context(), p) == version {
		return p
	}
	p, err := npm.Package{Name: "claude-" + version, Bin: "claude", Spec: "@anthropic-ai/claude-code@" + version}.Program(t.Context())
	if err != nil {
		t.Fatalf("no Claude Code %s for this test (name one by MUSTER_TEST_CLAUDE): %v", version, err)
	}
	return p
}

// versionOf returns the version that a program reports; "" if it reports none.
func versionOf(ctx context.Context, program string) string {
	res, err := run.Do(ctx, run.Cmd{
		Argv: []string{program, "--version"}, Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "DISABLE_AUTOUPDATER=1"},
	})
	if err != nil {
		return ""
	}
	version, _, _ := strings.Cut(string(res.Stdout), " ")
	return version
}

// User is a user of Claude Code with a test's own directory, after the first dialogs.
type User struct {
	Home    string // $HOME
	Config  string // directory of settings.json; $CLAUDE_CONFIG_DIR, except for a user of SetUp
	Version string // version of the user's program
}

// NewUser makes a user of a version who has finished the onboarding, approved Key and trusts the given directories.
func NewUser(t testing.TB, version string, trusted ...string) User {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	u := User{Home: home, Config: filepath.Join(home, "claude-config"), Version: version}
	if err := os.MkdirAll(u.Config, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(u.Config, ".claude.json"), setUp(t, trusted))
	return u
}

// SetUp makes a user of a version in an existing home directory, with the configuration in the default place:
// ~/.claude.json and ~/.claude. The user has finished the onboarding, approved Key and trusts the given directories.
func SetUp(t testing.TB, version, home string, trusted ...string) User {
	t.Helper()
	u := User{Home: home, Config: filepath.Join(home, ".claude"), Version: version}
	if err := os.MkdirAll(u.Config, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(home, ".claude.json"), setUp(t, trusted))
	return u
}

// setUp returns the program's own state after its first dialogs.
func setUp(t testing.TB, trusted []string) map[string]any {
	t.Helper()
	projects := map[string]any{}
	for _, dir := range trusted {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil {
			t.Fatal(err)
		}
		projects[real] = map[string]any{"hasTrustDialogAccepted": true}
	}
	return map[string]any{
		"hasCompletedOnboarding": true, "theme": "dark", "projects": projects,
		"customApiKeyResponses": map[string]any{"approved": []string{Key[len(Key)-20:]}, "rejected": []string{}},
	}
}

// Settings writes the user's settings.json.
func (u User) Settings(t testing.TB, settings map[string]any) {
	t.Helper()
	write(t, filepath.Join(u.Config, "settings.json"), settings)
}

func write(t testing.TB, path string, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Env returns the user's environment, with the model at the given URL instead of the real one. The program's
// directory comes first on PATH.
func (u User) Env(t testing.TB, modelURL string) []string {
	t.Helper()
	env := []string{
		"HOME=" + u.Home, "SHELL=/bin/sh", "LANG=C.UTF-8", "TERM=tmux-256color",
		"PATH=" + filepath.Dir(Path(t, u.Version)) + string(os.PathListSeparator) + os.Getenv("PATH"),
		"ANTHROPIC_BASE_URL=" + modelURL, "ANTHROPIC_API_KEY=" + Key,
		"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1", "DISABLE_AUTOUPDATER=1", "DISABLE_TELEMETRY=1",
		// Loopback must not go through a proxy.
		"NO_PROXY=127.0.0.1,localhost",
	}
	if u.Config != filepath.Join(u.Home, ".claude") { // if it is set, even the default directory has another layout
		env = append(env, "CLAUDE_CONFIG_DIR="+u.Config)
	}
	return env
}
