package regular_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"muster/internal/regular"
)

// within fails the test if do blocks.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s blocks", what)
	}
}

func TestRead_RefusesWhatIsNotARegularFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/dev/zero", link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, dir, "/dev/zero", link} {
		within(t, path, func() {
			if _, err := regular.Read(path, 10); err == nil || path != link && !errors.Is(err, regular.ErrNotRegular) {
				t.Errorf("Read(%s) = %v", path, err)
			}
			if _, err := regular.ReadFollow(path, 10); !errors.Is(err, regular.ErrNotRegular) {
				t.Errorf("ReadFollow(%s) = %v", path, err)
			}
			if f, err := regular.Create(path); err == nil {
				t.Errorf("Create(%s) succeeds", path)
				_ = f.Close()
			}
		})
	}
}

func TestRead_HasALimit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := regular.Read(path, 5); err != nil || string(b) != "12345" {
		t.Errorf("Read = %q, %v", b, err)
	}
	if _, err := regular.Read(path, 4); !errors.Is(err, regular.ErrTooLarge) {
		t.Errorf("Read = %v, want ErrTooLarge", err)
	}
}

func TestReadFollow_FollowsALinkToAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("f", link); err != nil {
		t.Fatal(err)
	}
	if b, err := regular.ReadFollow(link, 5); err != nil || string(b) != "x" {
		t.Errorf("ReadFollow = %q, %v", b, err)
	}
	if _, err := regular.Read(link, 5); err == nil {
		t.Error("Read follows a link")
	}
}
