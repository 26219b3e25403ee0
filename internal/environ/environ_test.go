package environ

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEnvironTakesTheAllowListAndWhatIsNamed(t *testing.T) {
	t.Parallel()
	env, missing := ForLaunch([]string{
		"HOME=/h", "PATH=/bin", "LC_ALL=C", "XDG_DATA_HOME=/x", "SECRET=s", "BOT_TOKEN=leak", "TMUX=/tmp/x,1,2", "LCX=no", "=odd", "none",
	}, []string{"SECRET", "ABSENT"})
	if d := cmp.Diff([]string{"HOME=/h", "PATH=/bin", "LC_ALL=C", "XDG_DATA_HOME=/x", "SECRET=s"}, env); d != "" {
		t.Errorf("environment (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"ABSENT"}, missing); d != "" {
		t.Errorf("missing (-want +got):\n%s", d)
	}
}

func TestSave_KeepsOnlyWhatLaunchesMayTake(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "env")
	want := []string{"PATH=/bin", "LC_ALL=line one\nline two", "NAMED="}
	if err := Save(path, append(want, "TOKEN=secret", "TMUX=/tmp/x,1,2"), []string{"NAMED", "ABSENT"}); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, want 0600", st.Mode().Perm())
	}
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("environment (-want +got):\n%s", d)
	}
}
