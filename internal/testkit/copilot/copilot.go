package copilot

import (
	_ "embed"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"muster/internal/testkit/npm"
)

// Version is the version that tests run with: the one of the lock file.
const Version = "1.0.102"

var (
	//go:embed package.json
	manifest []byte
	//go:embed package-lock.json
	lockFile []byte
)

// Path returns the program: $MUSTER_TEST_COPILOT, or the one that npm installs once into the user's cache directory. The test
// fails if there is none.
func Path(t testing.TB) string {
	t.Helper()
	return npm.Package{Name: "copilot-" + Version, Bin: "copilot", Manifest: manifest, Lock: lockFile}.Path(t, "Copilot CLI "+Version, "MUSTER_TEST_COPILOT")
}

// User is a user of the Copilot CLI with a test's own directory.
type User struct {
	Home     string // $HOME
	ModelURL string // of the scripted model
}

// NewUser makes a user whose models come from the given URL and who trusts the given directories.
func NewUser(t testing.TB, modelURL string, trusted ...string) User {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	u := User{Home: home, ModelURL: modelURL}
	u.SetUp(t, trusted...)
	return u
}

// SetUp writes the user's configuration.
func (u User) SetUp(t testing.TB, trusted ...string) {
	t.Helper()
	config, err := json.Marshal(map[string]any{"trustedFolders": trusted})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(u.Home, ".copilot")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Env returns the user's environment. The program's directory comes first on PATH.
func (u User) Env(t testing.TB) []string {
	t.Helper()
	return append([]string{
		"HOME=" + u.Home, "SHELL=/bin/sh", "LANG=C.UTF-8", "TERM=tmux-256color",
		"PATH=" + filepath.Dir(Path(t)) + string(os.PathListSeparator) + os.Getenv("PATH"),
		"NO_PROXY=127.0.0.1,localhost", // loopback must not go through a proxy
	}, u.Variables(t)...)
}

// Variables returns the variables that set the program up for the scripted model. What the program unpacks at its first start,
// more than 200 MB, lies in the cache of all tests.
func (u User) Variables(t testing.TB) []string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		"COPILOT_CACHE_HOME=" + filepath.Join(cache, "muster-test", "copilot-unpacked"),
		"COPILOT_OFFLINE=true", "COPILOT_PROVIDER_TYPE=openai", "COPILOT_PROVIDER_BASE_URL=" + u.ModelURL + "/v1",
		"COPILOT_PROVIDER_API_KEY=test-key-that-is-not-real", "COPILOT_MODEL=gpt-4.1",
	}
}
