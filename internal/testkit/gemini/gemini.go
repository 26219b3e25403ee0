package gemini

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"muster/internal/testkit/model"
	"muster/internal/testkit/npm"
)

// Version is the version that tests run with: the one of the lock file.
const Version = "0.61.0"

var (
	//go:embed package.json
	manifest []byte
	// The lock file leaves out the program's optional parts: without its terminal, commands run in a plain process.
	//go:embed package-lock.json
	lockFile []byte
)

// Path returns the program: $MUSTER_TEST_GEMINI, or the one that npm installs once into the user's cache directory. The
// test fails if there is none.
func Path(t testing.TB) string {
	t.Helper()
	return npm.Package{Name: "gemini-" + Version, Bin: "gemini", Manifest: manifest, Lock: lockFile}.Path(t, "Gemini CLI "+Version, "MUSTER_TEST_GEMINI")
}

const (
	// Key is the API key of a test's user. It is not a real one.
	Key = "test-key-that-is-not-real"
	// KeyVariable is the variable in which the program expects it.
	KeyVariable = "GEMINI_API_KEY"
	// Model is the model of a test's task.
	Model = "gemini-2.5-pro"
)

// User is a user of Gemini CLI with a test's own directory.
type User struct {
	Home string // $HOME
	URL  string // of the models
}

// NewUser makes a user whose models come from the given URL and who trusts the given directories.
func NewUser(t testing.TB, modelURL string, trusted ...string) User {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	u := User{Home: home, URL: modelURL}
	u.SetUp(t, trusted...)
	return u
}

// Dir returns the directory of the user's own configuration.
func (u User) Dir() string { return filepath.Join(u.Home, ".gemini") }

// SetUp writes the user's configuration.
func (u User) SetUp(t testing.TB, trusted ...string) {
	t.Helper()
	folders := map[string]string{}
	for _, dir := range trusted {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil {
			t.Fatal(err)
		}
		folders[real] = "TRUST_FOLDER"
	}
	if err := os.MkdirAll(u.Dir(), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{
		"settings.json":       map[string]any{"security": map[string]any{"auth": map[string]any{"selectedType": "gemini-api-key"}}},
		"trustedFolders.json": folders,
	} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(u.Dir(), name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Env returns the user's environment. The program's directory comes first on PATH.
func (u User) Env(t testing.TB) []string {
	t.Helper()
	return []string{
		"HOME=" + u.Home, "SHELL=/bin/sh", "LANG=C.UTF-8", "TERM=tmux-256color",
		"PATH=" + filepath.Dir(Path(t)) + string(os.PathListSeparator) + os.Getenv("PATH"),
		KeyVariable + "=" + Key, "GOOGLE_GEMINI_BASE_URL=" + u.URL,
		"NO_PROXY=127.0.0.1,localhost", // loopback must not go through a proxy
	}
}

// Exhausted returns the answer to an account that is to call again after a time. The program waits itself for up to five minutes.
func Exhausted(wait time.Duration) model.Reply {
	return model.FailWith(429, fmt.Sprintf(`{"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED",`+
		`"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"%ds"}]}}`, int(wait.Seconds())))
}

// DayIsUsed returns the answer to an account that has used up its quota of the day.
func DayIsUsed() model.Reply {
	return model.FailWith(429, `{"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED","details":[`+
		`{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel"}]}]}}`)
}
