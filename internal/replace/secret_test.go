package replace

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestSecret_IsMadeOnceAndMendedIfDamaged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	var wg sync.WaitGroup
	all := make([][]byte, 16)
	for i := range all {
		wg.Go(func() { all[i], _ = Secret(path, 32) })
	}
	wg.Wait()
	for _, got := range all {
		if !bytes.Equal(got, all[0]) || len(got) != 32 {
			t.Fatal("two that made it at the same time have different secrets")
		}
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", st, err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	mended, err := Secret(path, 32)
	again, _ := Secret(path, 32)
	if err != nil || len(mended) != 32 || !bytes.Equal(mended, again) || bytes.Equal(mended, all[0]) {
		t.Errorf("a damaged secret is %x, then %x, %v", mended, again, err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("%d files are left", len(entries))
	}
	if got, err := Secret(filepath.Join(t.TempDir(), "no", "key"), 32); err == nil || len(got) != 32 {
		t.Errorf("where nothing can be kept: %d bytes, %v", len(got), err)
	}
}
