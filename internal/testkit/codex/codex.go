package codex

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/internal/testkit/model"
	"muster/internal/testkit/npm"
)

// Version is the version that tests run with: the one of the lock file.
const Version = "0.171.0"

var (
	//go:embed package.json
	manifest []byte
	//go:embed package-lock.json
	lockFile []byte
)

// Path returns the program: $MUSTER_TEST_CODEX, or the one that npm installs once into the user's cache directory. The
// test fails if there is none.
func Path(t testing.TB) string {
	t.Helper()
	return npm.Package{Name: "codex-" + Version, Bin: "codex", Manifest: manifest, Lock: lockFile}.Path(t, "Codex CLI "+Version, "MUSTER_TEST_CODEX")
}

const (
	// Key is the API key of a test's user. It is not a real one.
	Key = "test-key-that-is-not-real"
	// KeyVariable is the variable in which the user's provider expects it.
	KeyVariable = "MUSTER_TEST_MODEL_KEY"
)

// User is a user of the Codex CLI with a test's own directory.
type User struct {
	Home string // $HOME
	Dir  string // $CODEX_HOME
}

// NewUser makes a user whose models come from the given URL and who trusts the given directories.
func NewUser(t testing.TB, modelURL string, trusted ...string) User {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	u := User{Home: home, Dir: filepath.Join(home, ".codex")}
	u.SetUp(t, modelURL, trusted...)
	return u
}

// SetUp writes the user's config.toml.
func (u User) SetUp(t testing.TB, modelURL string, trusted ...string) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "model = \"gpt-5.5\"\nmodel_provider = \"local\"\n\n[model_providers.local]\nname = \"local\"\nbase_url = %q\nwire_api = \"responses\"\nenv_key = %q\n",
		modelURL+"/v1", KeyVariable)
	for _, dir := range trusted {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "\n[projects.%s]\ntrust_level = \"trusted\"\n", strconv.Quote(real))
	}
	if err := os.MkdirAll(u.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(u.Dir, "config.toml"), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Env returns the user's environment. The program's directory comes first on PATH.
func (u User) Env(t testing.TB) []string {
	t.Helper()
	env := []string{
		"HOME=" + u.Home, "SHELL=/bin/sh", "LANG=C.UTF-8", "TERM=tmux-256color",
		"PATH=" + filepath.Dir(Path(t)) + string(os.PathListSeparator) + os.Getenv("PATH"),
		KeyVariable + "=" + Key,
		"NO_PROXY=127.0.0.1,localhost", // loopback must not go through a proxy
	}
	if u.Dir != filepath.Join(u.Home, ".codex") {
		env = append(env, "CODEX_HOME="+u.Dir)
	}
	return env
}

// UsageLimit returns the answer to an account that has used up its window, which ends at reset.
func UsageLimit(reset time.Time) model.Reply {
	return model.FailWith(429, fmt.Sprintf(`{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached","plan_type":"plus","resets_at":%d}}`, reset.Unix()))
}

// Used adds to an answer how much of the five-hour window of its account is used, in percent, and when that window ends.
func Used(r model.Reply, percent float64, reset time.Time) model.Reply {
	return r.With("X-Codex-Primary-Used-Percent", fmt.Sprint(percent)).With("X-Codex-Primary-Window-Minutes", "300").
		With("X-Codex-Primary-Reset-At", fmt.Sprint(reset.Unix()))
}
