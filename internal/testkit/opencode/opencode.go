package opencode

import (
	_ "embed"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"muster/internal/testkit/npm"
)

// Version is the version that tests run with: the one of the lock file.
const Version = "1.18.33"

var (
	//go:embed package.json
	manifest []byte
	//go:embed package-lock.json
	lockFile []byte
)

// Path returns the program: $MUSTER_TEST_OPENCODE, or the one that npm installs once into the user's cache directory. The
// test fails if there is none.
func Path(t testing.TB) string {
	t.Helper()
	// The program is a package of its own for each system, and the lock file has the one for the machines of CI.
	pkg := npm.Package{Name: "opencode-" + Version, Bin: "../opencode-linux-x64/bin/opencode", Manifest: manifest, Lock: lockFile}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		pkg = npm.Package{Name: "opencode-" + Version, Bin: "opencode", Spec: "opencode-ai@" + Version}
	}
	return pkg.Path(t, "OpenCode "+Version, "MUSTER_TEST_OPENCODE")
}

const (
	// Key is the API key of a test's user. It is not a real one.
	Key = "test-key-that-is-not-real"
	// Model is the user's model.
	Model = "local/test-model"
)

// User is a user of OpenCode with a test's own directories.
type User struct {
	Home string // $HOME, with all directories of the program in their default places
}

// NewUser makes a user whose models come from the given URL. permission is the user's configuration of permissions; nil is
// the program's default.
func NewUser(t testing.TB, modelURL string, permission map[string]any) User {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	u := User{Home: home}
	u.SetUp(t, modelURL, permission)
	return u
}

// SetUp writes the user's opencode.json and the login for the provider.
func (u User) SetUp(t testing.TB, modelURL string, permission map[string]any) {
	t.Helper()
	config := map[string]any{
		"model": Model, "small_model": Model, "enabled_providers": []string{"local"}, "snapshot": false, // both cost much of a start
		"provider": map[string]any{"local": map[string]any{
			"npm": "@ai-sdk/openai-compatible", "options": map[string]any{"baseURL": modelURL + "/v1"},
			"models": map[string]any{"test-model": map[string]any{"limit": map[string]any{"context": 200000, "output": 8000}}},
		}},
	}
	if permission != nil {
		config["permission"] = permission
	}
	dir := filepath.Join(u.Home, ".config", "opencode")
	write(t, filepath.Join(dir, "opencode.json"), config)
	// The first start of a user installs a package here, by which editors check the user's plugins. This user has it.
	write(t, filepath.Join(dir, "node_modules", ".package-lock.json"), map[string]any{})
	write(t, filepath.Join(dir, "package-lock.json"), map[string]any{"packages": map[string]any{
		"": map[string]any{"dependencies": map[string]any{"@opencode-ai/plugin": Version}},
	}})
	write(t, filepath.Join(u.Home, ".local", "share", "opencode", "auth.json"), map[string]any{
		"local": map[string]any{"type": "api", "key": Key},
	})
}

func write(t testing.TB, path string, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Env returns the user's environment. The program's directory comes first on PATH.
func (u User) Env(t testing.TB) []string {
	t.Helper()
	return []string{
		"HOME=" + u.Home, "SHELL=/bin/sh", "LANG=C.UTF-8", "TERM=tmux-256color",
		"PATH=" + filepath.Dir(Path(t)) + string(os.PathListSeparator) + os.Getenv("PATH"),
		"NO_PROXY=127.0.0.1,localhost", // loopback must not go through a proxy
	}
}
