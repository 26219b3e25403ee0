package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroupMounts are the mount points of version 2: alone, or together with version 1.
var cgroupMounts = []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}

// groupPrefix is the prefix of the names of groups for tasks.
const groupPrefix = "muster-"

// CgroupFor returns the path of the control group of this name, whether it exists or not, or "" if it cannot be
// created.
func CgroupFor(name string) string {
	own := OwnCgroup()
	if own == "" {
		return ""
	}
	return filepath.Join(own, name)
}

// OwnCgroup returns the directory of the control group (version 2) of this process if groups may be created below it,
// and otherwise "". They may be if systemd has delegated it to this user, as it does below user@UID.service, or if it
// is the root of a container. Inside a task's group OwnCgroup returns that group's parent, so that a fleet restarted
// by an agent's hook does not end with that task. Groups of the service manager itself are never written to (systemd's
// CGROUP_DELEGATION).
func OwnCgroup() string {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(b) {
		rel, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("0::"))
		if !ok {
			continue
		}
		above, _, _ := strings.Cut(string(rel)+"/", "/"+groupPrefix)
		for _, mount := range cgroupMounts {
			var st unix.Statfs_t
			if unix.Statfs(mount, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
				return delegated(filepath.Join(mount, above), strings.Trim(above, "/") == "")
			}
		}
	}
	return ""
}

// delegated returns dir if groups may be created in it, and otherwise "".
func delegated(dir string, root bool) string {
	if unix.Access(dir, unix.W_OK) != nil || unix.Access(filepath.Join(dir, "cgroup.procs"), unix.W_OK) != nil {
		return ""
	}
	if os.Geteuid() == 0 && !root { // root may write everywhere; systemd marks a delegated group
		mark := make([]byte, 8)
		n, err := unix.Getxattr(dir, "trusted.delegate", mark)
		if err != nil || string(mark[:max(n, 0)]) != "1" {
			return ""
		}
	}
	return dir
}

// JoinCgroup creates a control group (see CgroupFor) and moves this process into it. All later descendants of the
// process start in it.
func JoinCgroup(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) { //nolint:gosec // as the kernel's own
		return fmt.Errorf("make a control group: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return errors.Join(fmt.Errorf("enter a control group: %w", err), os.Remove(dir))
	}
	return nil
}

// Grouped returns the processes in a control group and the groups below it. It returns none for
// a directory that is not a control group or does not exist.
func Grouped(dir string) ([]Process, error) {
	var st unix.Statfs_t
	err := unix.Statfs(dir, &st)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && st.Type != unix.CGROUP2_SUPER_MAGIC:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read control group %s: %w", dir, err)
	}
	var out []Process
	for _, d := range groups(dir) {
		b, err := os.ReadFile(filepath.Join(d, "cgroup.procs"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("read control group: %w", err)
		}
		for word := range strings.FieldsSeq(string(b)) {
			pid, err := strconv.Atoi(word)
			if err != nil || pid <= 0 { // 0 is a process of another namespace
				continue
			}
			if p, err := Identify(pid); err == nil {
				out = append(out, p)
			}
		}
	}
	return out, nil
}

// LeaveCgroup removes a control group that has no processes, with the groups below it.
func LeaveCgroup(dir string) error {
	for _, d := range slices.Backward(groups(dir)) {
		if err := os.Remove(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove control group: %w", err)
		}
	}
	return nil
}

// groups returns a control group and those below it, parents first.
func groups(dir string) []string {
	var out []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			out = append(out, path)
		}
		return nil // a group may vanish meanwhile
	})
	return out
}
