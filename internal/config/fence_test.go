package config

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFence_AProjectOnlyNarrows lays a project's file over a user's.
func TestFence_AProjectOnlyNarrows(t *testing.T) {
	t.Parallel()
	const user = "[fence]\nmode = 'on'\nread = ['/opt/sdk']\nunix = 'allow'\ntcp = [80, 443]\ncache = 'repository'\n"
	for _, c := range []struct {
		project string
		want    func(f *Fence)
		wrong   string
	}{
		{"", func(*Fence) {}, ""},
		{"mode = 'on'", func(*Fence) {}, ""},
		{"unix = 'deny'\ngit = 'read'\ncache = 'task'", func(f *Fence) { f.Unix, f.Git, f.Cache = UnixDeny, GitRead, CacheTask }, ""},
		{"tcp = [443, 22]", func(f *Fence) { f.TCP = Ports{443} }, ""},
		{"mode = 'off'", nil, "fence.mode is more"},
		{"unix = 'allow'", nil, "fence.unix is more"},
		{"tcp = 'any'", nil, "fence.tcp is more"},
		{"cache = 'user'", nil, "fence.cache is more"},
		{"git = 'commit'", nil, "fence.git is more"},
		{"read = ['/x']", nil, "fence.read is more"},
		{"write = ['/x']", nil, "fence.write is more"},
		{"read = ['x']", nil, "not an absolute path"},
		{"tcp = [70000]", nil, "from 1 to 65535"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, UserFile), user)
		write(t, filepath.Join(dir, ProjectFile), "[fence]\n"+c.project+"\n")
		got, err := Load(filepath.Join(dir, UserFile), filepath.Join(dir, ProjectFile))
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) || !strings.Contains(err.Error(), ProjectFile+":2:") {
				t.Errorf("%s: %v, want %s", c.project, err, c.wrong)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.project, err)
			continue
		}
		want := Fence{Mode: FenceOn, Read: []string{"/opt/sdk"}, Unix: UnixAllow, TCP: Ports{80, 443}, Cache: CacheRepository, Git: GitCommit}
		c.want(&want)
		if d := cmp.Diff(want, got.Fence); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.project, d)
		}
	}
}

func TestFence_TheUserMayPutAnythingInPlace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), UserFile)
	write(t, path, "[fence]\nread = ['~/sdk', '~']\ntcp = []\ncache = 'user'\n")
	got, err := Load(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if got.Fence.TCP == nil || len(got.Fence.TCP) != 0 || got.Fence.Cache != CacheUser || strings.Contains(strings.Join(got.Fence.Read, " "), "~") {
		t.Errorf("fence %+v", got.Fence)
	}
}
