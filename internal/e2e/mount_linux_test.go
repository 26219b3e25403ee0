package e2e

import (
	"fmt"
	"syscall"
)

// mountSmall puts an empty file system of that many bytes over a directory.
func mountSmall(dir string, bytes int) error {
	return syscall.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", bytes))
}

func unmount(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }
