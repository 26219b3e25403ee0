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

// cgroupMounts are where version 2 is found: alone, or beside version 1.
var cgroupMounts = []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}

// groupPrefix begins the names of groups that are made for tasks.
const groupPrefix = "muster-"

// CgroupFor is where a control group of this name belongs, whether it is there or not; "" where none may be made.
func CgroupFor(name string) string {
	own := OwnCgroup()
	if own == "" {
		return ""
	}
	return filepath.Join(own, name)
}

// OwnCgroup is the directory of the control group (version 2) that this process is in, if groups may be made below it:
// systemd has delegated it to our user, as it does below user@UID.service, or it is the root of a container. "" if not.
// Within the group of a task it is the one above that: a fleet that an agent has brought back must not end with its task.
// What a system's manager keeps for itself is never written to (docs of systemd, CGROUP_DELEGATION).
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

// delegated gives the directory back if it is ours to make groups in.
func delegated(dir string, root bool) string {
	if unix.Access(dir, unix.W_OK) != nil || unix.Access(filepath.Join(dir, "cgroup.procs"), unix.W_OK) != nil {
		return ""
	}
	if os.Geteuid() == 0 && !root { // root may write everywhere; who was given a group finds its mark
		mark := make([]byte, 8)
		n, err := unix.Getxattr(dir, "trusted.delegate", mark)
		if err != nil || string(mark[:max(n, 0)]) != "1" {
			return ""
		}
	}
	return dir
}

// JoinCgroup makes a control group, see CgroupFor, and moves this process into it, and with it all that it ever starts.
func JoinCgroup(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) { //nolint:gosec // as the kernel's own
		return fmt.Errorf("make a control group: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return errors.Join(fmt.Errorf("enter a control group: %w", err), os.Remove(dir))
	}
	return nil
}

// Grouped gives the processes in a control group and the groups below it. What is no control group,
// or none any more, holds none.
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

// LeaveCgroup removes a control group that has no process any more, with those below it.
func LeaveCgroup(dir string) error {
	for _, d := range slices.Backward(groups(dir)) {
		if err := os.Remove(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove control group: %w", err)
		}
	}
	return nil
}

// groups are a control group and those below it, each before its own.
func groups(dir string) []string {
	var out []string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			out = append(out, path)
		}
		return nil // what has gone meanwhile is no error
	})
	return out
}
