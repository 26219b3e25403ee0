package boot

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"muster/internal/environ"
	"muster/internal/event"
	"muster/internal/home"
	"muster/internal/life"
	"muster/internal/testkit/files"
)

// fencedTask returns a task with a fence in a fleet of its own.
func fencedTask(t *testing.T, cache string) Fenced {
	t.Helper()
	f := Fenced{Home: home.Dir(filepath.Join(t.TempDir(), "state")), Task: life.Task{ID: "t1", Worktree: t.TempDir()}}
	f.Task.Spec = event.Spec{GitDir: "/repo/.git", Fence: &event.Fence{Cache: cache, Git: event.GitCommit}}
	t.Cleanup(func() {
		temp := f.Home.TempDir("t1")
		_ = os.RemoveAll(filepath.Dir(temp))
	})
	return f
}

func TestFencedEnviron_LeadsCachesToTheFleet(t *testing.T) {
	t.Parallel()
	f := fencedTask(t, event.CacheRepository)
	f.Task.Spec.Env = map[string]string{"GOCACHE": "/own"}
	env := f.Environ([]string{"HOME=/home/pat", "GOPATH=/home/pat/go", "GOCACHE=/own"}, "")
	dir := f.Home.RepositoryCache("/repo/.git")
	for name, want := range map[string]string{
		"GOPATH": dir + "/go", "GOMODCACHE": dir + "/gomod", "CARGO_HOME": dir + "/cargo", "PNPM_HOME": dir + "/pnpm",
		"MAVEN_OPTS": "-Dmaven.repo.local=" + dir + "/maven/repository", "GOCACHE": "/own", "HOME": "/home/pat",
	} {
		if got := environ.Get(env, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	f.Home = "/a state directory/with spaces"
	if got := environ.Get(f.Environ(nil, ""), "MAVEN_OPTS"); got != "" {
		t.Errorf("MAVEN_OPTS = %q, which Maven splits", got)
	}
	f = fencedTask(t, event.CacheUser)
	if env := f.Environ([]string{"HOME=/home/pat"}, ""); slices.ContainsFunc(env, func(kv string) bool { return strings.Contains(kv, "CARGO_HOME") }) {
		t.Errorf("caches of the user: %q", env)
	}
}

func TestFencedPolicy_CargoKeepsTheSettingsOfTheUser(t *testing.T) {
	t.Parallel()
	f := fencedTask(t, event.CacheRepository)
	user := t.TempDir()
	if err := os.Mkdir(filepath.Join(user, ".cargo"), 0o700); err != nil {
		t.Fatal(err)
	}
	settings := files.Write(t, filepath.Join(user, ".cargo", "config.toml"), "[build]\n")
	dir := f.Home.RepositoryCache("/repo/.git")
	grant := func() {
		t.Helper()
		for range 2 {
			if _, err := f.Policy([]string{"HOME=" + user}, "", nil, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	grant()
	if to, err := os.Readlink(filepath.Join(dir, "cargo", "config.toml")); err != nil || to != settings {
		t.Errorf("cargo's settings lead to %q (%v), want %s", to, err, settings)
	}
	// A build replaces the directory by a link out of the caches.
	outside := t.TempDir()
	if err := os.RemoveAll(filepath.Join(dir, "cargo")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "cargo")); err != nil {
		t.Fatal(err)
	}
	grant()
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("a file was made outside of the caches: %v, %v", left, err)
	}
}

// TestFencedPolicy_GrantsTheCertificatesOfTheUser checks that programs in a fence can read the authorities that the user's environment
// names, and that a project's file opens nothing by such a variable.
func TestFencedPolicy_GrantsTheCertificatesOfTheUser(t *testing.T) {
	t.Parallel()
	f := fencedTask(t, event.CacheRepository)
	dir := t.TempDir()
	authority, key := files.Write(t, filepath.Join(dir, "authority.pem"), "x"), files.Write(t, filepath.Join(dir, "key"), "x")
	f.Task.Spec.Env = map[string]string{"GIT_SSL_CAINFO": key}
	p, err := f.Policy([]string{"SSL_CERT_FILE=" + authority, "GIT_SSL_CAINFO=" + key}, "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Covers(authority) || p.Covers(key) {
		t.Errorf("read %q", p.Read)
	}
}
