package host

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// RaiseFiles raises the limit of open files of this process to n, or to the permitted maximum if that is less. It
// never lowers it. Child processes inherit the limit.
func RaiseFiles(n uint64) error {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return fmt.Errorf("read limit of open files: %w", err)
	}
	lim.Cur = max(lim.Cur, min(n, lim.Max, mostFiles()))
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return fmt.Errorf("raise limit of open files to %d: %w", lim.Cur, err)
	}
	return nil
}
