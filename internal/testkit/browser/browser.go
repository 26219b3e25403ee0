package browser

import (
	_ "embed"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"muster/internal/run"
	"muster/internal/testkit/npm"
)

// version is that of Playwright in the lock file.
const version = "1.65.1"

var (
	//go:embed package.json
	manifest []byte
	//go:embed package-lock.json
	lockFile []byte
)

// programs are the names of Chromium on the systems on which tests run.
var programs = []string{"chromium", "chromium-browser", "google-chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"}

// chromium returns the path of the browser.
func chromium(t testing.TB) string {
	t.Helper()
	if own := os.Getenv("MUSTER_TEST_CHROMIUM"); own != "" {
		return own
	}
	for _, p := range programs {
		if path, err := run.LookPath(p, os.Environ()); err == nil {
			return path
		}
	}
	t.Fatal("no Chromium for this test; install it with .ci/need chromium chromium, or name one by MUSTER_TEST_CHROMIUM")
	return ""
}

// Run runs a script of Node.js that drives the browser. It can require playwright-core and axe-core, and gets settings as JSON in the
// variable SETTINGS, with the path of the browser added. The browser has a home directory of its own. The test fails if the script does.
func Run(t testing.TB, script string, settings map[string]any, env []string, limit time.Duration) {
	t.Helper()
	playwright := npm.Package{Name: "browser-" + version, Bin: "playwright-core", Manifest: manifest, Lock: lockFile}.Path(t, "Playwright "+version, "MUSTER_TEST_PLAYWRIGHT")
	modules := filepath.Dir(filepath.Dir(playwright)) // node_modules, above .bin
	settings["chromium"] = chromium(t)
	data, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	r, err := run.Do(t.Context(), run.Cmd{Argv: []string{"node", script}, Env: append(env, "HOME="+t.TempDir(), "NODE_PATH="+modules, "SETTINGS="+string(data)), Timeout: limit})
	t.Logf("%s%s", r.Stdout, r.Stderr)
	if err != nil {
		t.Fatalf("%s: %v", filepath.Base(script), err)
	}
}
