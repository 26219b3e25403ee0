package home

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFind_ResolvesSymbolicLinks(t *testing.T) {
	t.Parallel()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	real, link := filepath.Join(root, "real"), filepath.Join(root, "link")
	if err := os.Mkdir(real, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	for spelled, want := range map[string]string{
		link: real, real: real, link + "/": real,
		link + "/not/yet": real + "/not/yet",
	} {
		got, _, err := Find(func(name string) string { return map[string]string{"MUSTER_HOME": spelled}[name] })
		if err != nil || string(got) != want {
			t.Errorf("MUSTER_HOME=%s is %s (%v), want %s", spelled, got, err, want)
		}
	}
	got, _, err := Find(func(name string) string { return map[string]string{"XDG_STATE_HOME": link, "HOME": root}[name] })
	if want := filepath.Join(real, "muster"); err != nil || string(got) != want {
		t.Errorf("XDG_STATE_HOME=%s is %s (%v), want %s", link, got, err, want)
	}
}
