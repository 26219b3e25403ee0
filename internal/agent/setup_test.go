package agent

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"muster/internal/home"
	"muster/internal/testkit/files"
)

// TestReadSetup_FollowsLinksOfTheUserAlone puts the same link into the user's own set-up and into a private home.
func TestReadSetup_FollowsLinksOfTheUserAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := deep(t, filepath.Join(dir, "dotfiles", "config.toml"))
	private := home.Dir(filepath.Join(dir, "state")).PrivateHome("t12")
	for name, c := range map[string]struct {
		at, link, to string
		read         bool
	}{
		"of the user's":              {filepath.Join(dir, ".codex"), "config.toml", secret, true},
		"out of a private home":      {private, "config.toml", secret, false},
		"by a directory":             {private, "sub", filepath.Dir(secret), false},
		"relative, out of it":        {private, "config2.toml", "../../../../dotfiles/config.toml", false},
		"within a private home":      {private, "config3.toml", "real.toml", true},
		"a private home of the user": {filepath.Join(dir, "home"), "config.toml", secret, true},
	} {
		t.Run(name, func(t *testing.T) {
			deep(t, filepath.Join(c.at, "real.toml"))
			path := filepath.Join(c.at, c.link)
			if err := os.Symlink(c.to, path); err != nil {
				t.Fatal(err)
			}
			if c.link == "sub" {
				path = filepath.Join(path, "config.toml")
			}
			b, err := ReadSetup(path, 100)
			f, openErr := OpenSetup(path)
			if openErr == nil {
				opened, _ := io.ReadAll(f)
				_ = f.Close()
				if string(opened) != string(b) {
					t.Errorf("OpenSetup reads %q and ReadSetup %q", opened, b)
				}
			}
			if (err == nil) != c.read || (openErr == nil) != c.read || c.read && string(b) != "the user's" {
				t.Errorf("ReadSetup = %q, %v; OpenSetup: %v", b, err, openErr)
			}
		})
	}
	fifo := filepath.Join(private, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSetup(fifo, 100); err == nil {
		t.Error("a FIFO was read")
	}
	if _, err := ReadSetup(filepath.Join(private, "real.toml"), 3); err == nil {
		t.Error("a file beyond the limit was read")
	}
}

// deep writes a file, and makes the directories above it.
func deep(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	return files.Write(t, path, "the user's")
}
