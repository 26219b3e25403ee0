package host

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

func TestDiskUsed_CountsEachFileOnceAndFollowsNoLink(t *testing.T) {
	t.Parallel()
	elsewhere, dir := t.TempDir(), t.TempDir()
	write := func(path string, kib int) {
		t.Helper()
		if err := os.WriteFile(path, make([]byte, kib<<10), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(elsewhere, "big"), 4096)
	empty := DiskUsed(t.Context(), dir)
	write(filepath.Join(dir, "a"), 256)
	one := DiskUsed(t.Context(), dir)
	if grown := one.Bytes - empty.Bytes; grown < 256<<10 || grown > 300<<10 || one.Files != empty.Files+1 || one.Partial {
		t.Errorf("a file of 256 KiB takes %d bytes: %+v", grown, one)
	}
	if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if got := DiskUsed(t.Context(), dir); got.Bytes-one.Bytes > 8<<10 {
		t.Errorf("a second name and a link take %d bytes", got.Bytes-one.Bytes)
	}
	if got := DiskUsed(t.Context(), filepath.Join(dir, "missing")); got != (Used{}) {
		t.Errorf("a missing directory takes %+v", got)
	}
}

func TestDiskUsed_SaysThatItHasNotCountedEverything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := DiskUsed(ctx, dir); !got.Partial {
		t.Errorf("after the end of its context it returns %+v", got)
	}
}
