package e2e

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// mountSmall mounts an empty file system of that many bytes over a directory.
func mountSmall(dir string, bytes int) error { return mountTmp(dir, fmt.Sprintf("size=%d", bytes)) }

// mountTmp mounts an empty file system in memory over a directory.
func mountTmp(dir, options string) error {
	return syscall.Mount("none", dir, "tmpfs", 0, options+",mode=700")
}

// mountReadOnly mounts a directory read-only over itself. Files opened from now on cannot be written.
func mountReadOnly(dir string) error {
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		return err
	}
	return syscall.Mount("none", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, "")
}

func unmount(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }

// limitFiles sets how many descriptors a process may have, and returns the previous limit.
func limitFiles(pid int, most uint64) (was uint64, err error) {
	var old unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		return 0, err
	}
	return old.Cur, unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: old.Max}, nil)
}
