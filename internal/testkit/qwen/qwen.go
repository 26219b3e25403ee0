package qwen

import (
	_ "embed"
	"os"
	"path/filepath"
	"testing"

	"muster/internal/testkit/npm"
)

// Version is the version that tests run with: the one of the lock file. It names Node 22, and runs on Node 20, too.
const Version = "0.24.4"

var (
	//go:embed package.json
	manifest []byte
	// The lock file leaves out the program's optional parts: a terminal for commands, the clipboard, images.
	//go:embed package-lock.json
	lockFile []byte
)

// Path returns the program: $MUSTER_TEST_QWEN, or the one that npm installs once into the user's cache directory. The test
// fails if there is none.
func Path(t testing.TB) string {
	t.Helper()
	return npm.Package{Name: "qwen-" + Version, Bin: "qwen", Manifest: manifest, Lock: lockFile}.Path(t, "Qwen Code "+Version, "MUSTER_TEST_QWEN")
}

// User is a user of Qwen Code with a test's own directory.
type User struct {
	Home     string // $HOME
	ModelURL string // of the scripted model
}

// NewUser makes a user whose models come from the given URL.
func NewUser(t testing.TB, modelURL string) User {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return User{Home: home, ModelURL: modelURL}
}

// Env returns the user's environment. The program's directory comes first on PATH.
func (u User) Env(t testing.TB) []string {
	t.Helper()
	return append([]string{
		"HOME=" + u.Home, "SHELL=/bin/sh", "LANG=C.UTF-8", "TERM=tmux-256color",
		"PATH=" + filepath.Dir(Path(t)) + string(os.PathListSeparator) + os.Getenv("PATH"),
		"NO_PROXY=127.0.0.1,localhost", // loopback must not go through a proxy
	}, u.Variables()...)
}

// Variables returns the variables that set the program up for the scripted model. Nothing else is needed for that.
func (u User) Variables() []string {
	return []string{"OPENAI_BASE_URL=" + u.ModelURL + "/v1", "OPENAI_API_KEY=test-key-that-is-not-real", "OPENAI_MODEL=qwen3-coder-plus"}
}
