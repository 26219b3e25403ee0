package tmuxtest

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"muster/internal/tmux"
)

// HubSession is the name of the hub session of the test servers.
const HubSession = "hub"

// Hub returns a hub that only waits. It ends its server if the test binary dies without cleaning up.
func Hub(dir string) tmux.HubSpec {
	const wait = `while kill -0 "$0" 2>/dev/null; do sleep 2; done; exec tmux kill-server`
	return tmux.HubSpec{
		Session: HubSession, Window: HubSession, Dir: dir,
		Argv: []string{"sh", "-c", wait, strconv.Itoa(os.Getpid())},
	}
}

// Env returns the clean environment of the test servers.
func Env(dir string) []string {
	return []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "SHELL=/bin/sh", "ENV="}
}

// NewServer describes a private server in a directory of its own, which is given, too. The server is not
// started; whatever runs on it is ended with the test.
func NewServer(t testing.TB, change ...func(*tmux.Config)) (*tmux.Server, string) {
	t.Helper()
	// t.TempDir would make paths that are too long for a socket.
	dir, err := os.MkdirTemp("", "mt")
	if err != nil {
		t.Fatal(err)
	}
	cfg := tmux.Config{Socket: filepath.Join(dir, "s"), ConfPath: filepath.Join(dir, "tmux.conf"), Env: Env(dir)}
	for _, f := range change {
		f(&cfg)
	}
	s := tmux.New(cfg)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Kill(ctx); err != nil {
			t.Errorf("end the server of the test: %v", err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("clean up: %v", err)
		}
	})
	return s, dir
}

// Connect starts a private real server and connects to it. Both end with the test.
func Connect(t testing.TB, change ...func(*tmux.Config)) (*tmux.Client, *tmux.Server, string) {
	t.Helper()
	s, dir := NewServer(t, change...)
	if _, err := s.Start(t.Context(), Hub(dir)); err != nil {
		t.Fatal(err)
	}
	c, err := s.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, s, dir
}
