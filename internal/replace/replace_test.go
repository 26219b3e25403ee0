package replace_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"muster/internal/replace"
)

func TestAFileIsReplacedBesideItself(t *testing.T) {
	elsewhere := t.TempDir()
	t.Setenv("TMPDIR", filepath.Join(elsewhere, "gone")) // nothing may be created there
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	for _, text := range []string{"one", "two"} {
		if err := replace.File(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Errorf("it holds %q (%v), want %q", got, err, text)
		}
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", st.Mode(), err)
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 1 {
		t.Errorf("the directory holds %v (%v), want the file alone", all, err)
	}
	if err := replace.File(filepath.Join(dir, "b", "c"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a directory: %v", err)
	}
}

func TestAWriterThatFailsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(string, []byte) error{"Durable": replace.Durable, "Quick": replace.Quick} {
		dir := t.TempDir()
		path := filepath.Join(dir, "a")
		for _, text := range []string{"one", "two"} {
			if err := write(path, []byte(text)); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil || string(got) != text {
				t.Errorf("%s: it holds %q (%v), want %q", name, got, err, text)
			}
		}
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v (%v)", name, st.Mode(), err)
		}
		taken := filepath.Join(dir, "taken")
		if err := os.Mkdir(taken, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := write(taken, nil); err == nil {
			t.Errorf("%s replaced a directory", name)
		}
		if all, err := os.ReadDir(dir); err != nil || len(all) != 2 {
			t.Errorf("%s: the directory holds %v (%v), want the file and the directory", name, all, err)
		}
	}
}

func TestSoleReplacesWhatAWriterThatDiedHasLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	if err := os.WriteFile(path+".new", []byte("half of a longer te"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replace.Sole(path, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "one" {
		t.Errorf("it holds %q (%v)", got, err)
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 1 {
		t.Errorf("the directory holds %v (%v), want the file alone", all, err)
	}
}
