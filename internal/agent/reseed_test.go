package agent

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReseedReplacesWhatAnAgentHasPutThereAndFollowsNoLinkOut(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	victim := filepath.Join(outside, "settings.json")
	for _, err := range []error{
		os.WriteFile(victim, []byte("the user's"), 0o600),
		os.Mkdir(filepath.Join(dir, "own"), 0o700),
		os.Symlink(victim, filepath.Join(dir, "own", "settings.json")),
		os.MkdirAll(filepath.Join(dir, "own", "notes.md", "deep"), 0o700),
		os.Symlink(outside, filepath.Join(dir, "away")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	files := []File{{Path: "own/settings.json", Data: []byte("ours"), Mode: 0o600}, {Path: "own/notes.md", Data: []byte("ours"), Mode: 0o600}}
	if err := Reseed(dir, files); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if b, err := os.ReadFile(filepath.Join(dir, f.Path)); err != nil || string(b) != "ours" {
			t.Errorf("%s holds %q (%v)", f.Path, b, err)
		}
	}
	if err := Reseed(dir, []File{{Path: "away/settings.json", Data: []byte("ours"), Mode: 0o600}}); err == nil {
		t.Error("a file was written through a link that leads out")
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "the user's" {
		t.Errorf("the file outside holds %q (%v)", b, err)
	}
}
