package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheLogIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "supervisor.log")
	l, err := openLog(path, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if _, err := l.Write([]byte("transaction failed, will be tried again\n")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Write([]byte("the last word\n")); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	total := int64(0)
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v", e.Name(), info.Mode())
		}
		total += info.Size()
	}
	if total > 2200 {
		t.Errorf("it takes %d bytes", total)
	}
	if text, err := os.ReadFile(path); err != nil || !strings.HasSuffix(string(text), "the last word\n") {
		t.Errorf("its end is %q (%v)", text, err)
	}
	if l, err = openLog(path, 10); err != nil { // a full file of an earlier run
		t.Fatal(err)
	}
	if l.size != 0 {
		t.Errorf("it begins with %d bytes", l.size)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
