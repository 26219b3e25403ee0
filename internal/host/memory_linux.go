package host

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Mem returns the memory that is available to this process: the host's, or less if a control group (version 1 or 2)
// limits it.
func Mem() (Memory, error) { return memAt("/") }

// memAt is Mem with all paths below root.
func memAt(root string) (Memory, error) {
	b, err := os.ReadFile(filepath.Join(root, "proc/meminfo"))
	if err != nil {
		return Memory{}, fmt.Errorf("read memory: %w", err)
	}
	m := Memory{Total: meminfo(b, "MemTotal"), Available: meminfo(b, "MemAvailable")}
	if m.Total == 0 {
		return Memory{}, fmt.Errorf("read memory: no MemTotal in /proc/meminfo")
	}
	for _, dir := range memoryGroups(root) {
		limit, used, ok := groupMemory(dir)
		if !ok || limit >= m.Total {
			continue // no limit, or version 1's "none": a number larger than any memory
		}
		m.Total = limit
		m.Available = min(m.Available, limit-min(limit, used))
	}
	m.Available = min(m.Available, m.Total)
	return m, nil
}

// meminfo returns a value of /proc/meminfo, in bytes.
func meminfo(b []byte, name string) uint64 {
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte(name+":")); ok {
			n, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(string(rest)), " kB"), 10, 64)
			return n << 10
		}
	}
	return 0
}

// groupMemory returns limit and use of one control group of either version. Droppable file pages do not count as
// used.
func groupMemory(dir string) (limit, used uint64, ok bool) {
	limitFile, usedFile, cache := "memory.max", "memory.current", "inactive_file "
	if limit, ok = number(dir, limitFile); !ok {
		limitFile, usedFile, cache = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "
		if limit, ok = number(dir, limitFile); !ok {
			return 0, 0, false
		}
	}
	used, ok = number(dir, usedFile)
	if !ok {
		return 0, 0, false
	}
	b, _ := os.ReadFile(filepath.Join(dir, "memory.stat"))
	for line := range bytes.Lines(b) {
		if rest, found := strings.CutPrefix(string(line), cache); found {
			n, _ := strconv.ParseUint(strings.TrimSpace(rest), 10, 64)
			used -= min(used, n)
		}
	}
	return limit, used, true
}

// number reads a file with one number. It returns false for "max" and for a missing file.
func number(dir, name string) (uint64, bool) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}

// memoryGroups returns the directories of the control groups that may limit our memory, from our own up to the root
// of each hierarchy.
func memoryGroups(root string) []string {
	b, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return nil
	}
	v2, v1 := groupMounts(root)
	var dirs []string
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		mount := groupMount{}
		switch {
		case f[0] == "0" && f[1] == "":
			mount = v2
		case hasWord(f[1], "memory"):
			mount = v1
		}
		if mount.dir == "" {
			continue
		}
		// In a container the mount's root is the process' own group, while the path may be the host's.
		path, inside := strings.CutPrefix(f[2], strings.TrimSuffix(mount.root, "/"))
		if !inside {
			path = "/"
		}
		for path = filepath.Clean("/" + path); ; path = filepath.Dir(path) {
			dirs = append(dirs, filepath.Join(root, mount.dir, path))
			if path == "/" {
				break
			}
		}
	}
	return dirs
}

// groupMount is the mount point of a hierarchy of control groups, and the group that the mount shows as its root.
type groupMount struct{ dir, root string }

// groupMounts returns the hierarchy of version 2 and the hierarchy of version 1 with the memory controller.
func groupMounts(root string) (v2, v1 groupMount) {
	f, err := os.Open(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return v2, v1
	}
	defer f.Close() //nolint:errcheck // read only
	for sc := bufio.NewScanner(f); sc.Scan(); {
		left, right, ok := strings.Cut(sc.Text(), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 5 || len(r) < 3 {
			continue
		}
		m := groupMount{dir: l[4], root: l[3]}
		switch {
		case r[0] == "cgroup2":
			v2 = m
		case r[0] == "cgroup" && hasWord(r[2], "memory"):
			v1 = m
		}
	}
	return v2, v1
}

func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}
