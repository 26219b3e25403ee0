package fence

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestProfile_Golden compares the text for macOS, where it was never run. MUSTER_GOLDEN=write accepts a change.
func TestProfile_Golden(t *testing.T) {
	t.Parallel()
	kinds := map[string]bool{"/usr": true, "/Users/a/.gitconfig": false, "/Users/a/w \"x\"\\": true, "/dev/null": false}
	got, applied := profile(Policy{
		Read: []string{"/usr", "/Users/a/.gitconfig", "/missing"}, Write: []string{"/Users/a/w \"x\"\\", "/dev/null"}, Ports: []int{443},
	}, func(path string) (dir, exists bool) { dir, exists = kinds[path]; return dir, exists })
	golden := filepath.Join("testdata", "profile.sb")
	if os.Getenv("MUSTER_GOLDEN") == "write" {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("profile (-want +got):\n%s", d)
	}
	if applied.Read != 2 || applied.Write != 2 {
		t.Errorf("applied %+v", applied)
	}
}
