package host

import (
	"os"
	"path/filepath"
	"testing"
)

// tree writes files below a new directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestMemoryLimitsOfControlGroupsCount(t *testing.T) {
	t.Parallel()
	const (
		meminfo = "MemTotal:  8192 kB\nMemFree: 1 kB\nMemAvailable:  6144 kB\n"
		v2Mount = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
		v1Mount = "36 31 0:33 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
	)
	for _, c := range []struct {
		name  string
		files map[string]string
		want  Memory
	}{
		{"none", map[string]string{}, Memory{8 << 20, 6 << 20}},
		{"version 2, own group", map[string]string{
			"proc/self/cgroup": "0::/user.slice/x\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/user.slice/x/memory.max": "4194304\n", "sys/fs/cgroup/user.slice/x/memory.current": "2097152\n",
			"sys/fs/cgroup/user.slice/x/memory.stat": "anon 5\ninactive_file 1048576\n",
		}, Memory{4 << 20, 3 << 20}},
		{"version 2, a parent is tighter", map[string]string{
			"proc/self/cgroup": "0::/user.slice/x\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/user.slice/x/memory.max": "max\n", "sys/fs/cgroup/user.slice/x/memory.current": "1\n",
			"sys/fs/cgroup/user.slice/memory.max": "1048576\n", "sys/fs/cgroup/user.slice/memory.current": "1048577\n",
		}, Memory{1 << 20, 0}},
		{"version 1 in a container", map[string]string{
			"proc/self/cgroup": "5:cpu:/\n4:memory:/docker/abc\n0::/\n", "proc/self/mountinfo": v1Mount + v2Mount,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "2097152\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "1048576\n",
			"sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 524288\n",
		}, Memory{2 << 20, 1<<20 + 512<<10}},
		{"version 1 without a limit", map[string]string{
			"proc/self/cgroup": "4:memory:/docker/abc\n", "proc/self/mountinfo": v1Mount,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "7\n",
		}, Memory{8 << 20, 6 << 20}},
	} {
		c.files["proc/meminfo"] = meminfo
		got, err := memAt(tree(t, c.files))
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
	if _, err := memAt(t.TempDir()); err == nil {
		t.Error("no /proc/meminfo and no error")
	}
}
